/** A client's end of the lab socket: sends requests, hands each answer to who asked. */

import { connect, type Socket } from 'node:net'
import { LabError } from './lab-error.ts'
import { type Answer, encodeFrame, FrameReader, type Request } from './protocol.ts'

export type Hello = Extract<Answer, { op: 'hello' }>

/** Called with each answer to one request, and with a LabError once when the lab is gone. */
export interface AnswerListener {
  onAnswer(head: Answer, body: Buffer): void
  onGone(error: LabError): void
}

export class Connection {
  readonly hello: Hello
  readonly #socket: Socket
  readonly #listeners = new Map<string, AnswerListener>()
  #next = 1
  #gone: LabError | undefined

  private constructor(socket: Socket, reader: FrameReader<Answer>, hello: Hello) {
    this.#socket = socket
    this.hello = hello
    socket.on('data', (chunk) => {
      for (const { head, body } of reader.push(chunk)) this.#receive(head, body)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => this.#end('the lab was closed'))
  }

  static open(socketPath: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(socketPath)
      const reader = new FrameReader<Answer>()
      const onError = (error: Error) =>
        reject(new LabError(`no lab answers at ${socketPath}: ${error.message}; start one first`, { cause: error }))
      const onData = (chunk: Buffer) => {
        for (const { head } of reader.push(chunk)) {
          if (head.op !== 'hello') continue
          socket.off('data', onData)
          socket.off('error', onError)
          resolve(new Connection(socket, reader, head))
        }
      }
      socket.on('error', onError)
      socket.on('data', onData)
    })
  }

  newId(): string {
    return String(this.#next++)
  }

  listen(id: string, listener: AnswerListener): void {
    if (this.#gone !== undefined) listener.onGone(this.#gone)
    else this.#listeners.set(id, listener)
  }

  forget(id: string): void {
    this.#listeners.delete(id)
  }

  send(request: Request, body?: Uint8Array): void {
    if (this.#gone === undefined) this.#socket.write(encodeFrame(request, body))
  }

  /** One request with one answer. */
  ask(request: Request, body?: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.listen(request.id, {
        onAnswer: (head, content) => {
          this.forget(request.id)
          if (head.op === 'failed') reject(new LabError(head.message))
          else resolve(content)
        },
        onGone: reject,
      })
      this.send(request, body)
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.closed) return resolve()
      this.#socket.once('close', () => resolve())
      this.#socket.destroy()
    })
  }

  #receive(head: Answer, body: Buffer): void {
    if (head.op === 'gone') this.#end(head.message)
    else this.#listeners.get(head.id)?.onAnswer(head, body)
  }

  #end(message: string): void {
    this.#gone ??= new LabError(message)
    const listeners = [...this.#listeners.values()]
    this.#listeners.clear()
    for (const listener of listeners) listener.onGone(this.#gone)
  }
}
