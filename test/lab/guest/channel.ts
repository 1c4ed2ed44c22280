/** The agent's line to the host: a virtio-serial port or a unix socket, behind one face. */

import { closeSync, openSync, read, write } from 'node:fs'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { type Answer, encodeFrame } from '../protocol.ts'

export interface Channel {
  send(head: Answer, body?: Uint8Array): void
  onData(listener: (chunk: Buffer) => void): void
  onEnd(listener: () => void): void
  /** Streams that pause while too much waits to be sent. */
  throttle(...streams: Readable[]): void
}

/** Above this many unsent bytes the commands' outputs are no longer read. */
const highWater = 4 << 20
const chunkSize = 64 << 10

/** Everything but the raw reading and writing. */
abstract class QueuedChannel implements Channel {
  #queue: Buffer[] = []
  #queued = 0
  #writing = false
  #paused = new Set<Readable>()
  protected dataListener: (chunk: Buffer) => void = () => undefined
  protected endListener: () => void = () => undefined

  protected abstract writeRaw(chunk: Buffer, done: () => void): void

  send(head: Answer, body?: Uint8Array): void {
    const frame = encodeFrame(head, body)
    this.#queue.push(frame)
    this.#queued += frame.length
    this.#flush()
  }

  #flush(): void {
    if (this.#writing || this.#queue.length === 0) return
    const chunk = Buffer.concat(this.#queue)
    this.#queue = []
    this.#writing = true
    this.writeRaw(chunk, () => {
      this.#writing = false
      this.#queued -= chunk.length
      if (this.#queued < highWater) {
        for (const stream of this.#paused) stream.resume()
        this.#paused.clear()
      }
      this.#flush()
    })
  }

  throttle(...streams: Readable[]): void {
    for (const stream of streams) {
      stream.on('data', () => {
        if (this.#queued < highWater) return
        stream.pause()
        this.#paused.add(stream)
      })
      stream.on('close', () => this.#paused.delete(stream))
    }
  }

  onData(listener: (chunk: Buffer) => void): void {
    this.dataListener = listener
  }

  onEnd(listener: () => void): void {
    this.endListener = listener
  }
}

/** A character device: libuv cannot poll it, so one pool thread waits in read(2). */
class PortChannel extends QueuedChannel {
  readonly #fd: number

  constructor(path: string) {
    super()
    this.#fd = openSync(path, 'r+')
    this.#read(Buffer.allocUnsafe(chunkSize))
  }

  #read(buffer: Buffer): void {
    read(this.#fd, buffer, 0, buffer.length, null, (error, size) => {
      if (error !== null || size === 0) {
        closeSync(this.#fd)
        this.endListener()
        return
      }
      this.dataListener(Buffer.from(buffer.subarray(0, size)))
      this.#read(buffer)
    })
  }

  protected override writeRaw(chunk: Buffer, done: () => void): void {
    write(this.#fd, chunk, 0, chunk.length, null, (error, size) => {
      if (error !== null) return this.endListener()
      if (size < chunk.length) return this.writeRaw(chunk.subarray(size), done)
      done()
    })
  }
}

export function openPort(path: string): Channel {
  return new PortChannel(path)
}

export function openSocket(path: string): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    class SocketChannel extends QueuedChannel {
      constructor() {
        super()
        socket.on('data', (chunk: Buffer) => this.dataListener(chunk))
        socket.on('close', () => this.endListener())
      }

      protected override writeRaw(chunk: Buffer, done: () => void): void {
        socket.write(chunk, () => done())
      }
    }
    socket.once('error', reject)
    socket.once('connect', () => resolve(new SocketChannel()))
  })
}
