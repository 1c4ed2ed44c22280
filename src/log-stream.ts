import { write, writeSync } from 'node:fs'

/** Bytes in one write. */
const CHUNK = 64 * 1024
/** Milliseconds from a failed write to the next try. */
const RETRY = { full: 50, failed: 1_000 } as const
/** Milliseconds that the last lines have to get out. */
const LAST_WORDS = 500

/** Where the lines go. */
export interface LogTarget {
  /** The descriptor for the next chunk of so many bytes; may reject. Nobody waits for it. */
  next(bytes: number): Promise<number>
  /** The same at once, at the end of the process; may throw. */
  lastWords(): number
}

/**
 * Lines into a file descriptor, or a file of a target's choice, that may be full, slow or broken. Nobody waits for it and it keeps nobody: what cannot be
 * written is kept up to a limit and tried again, lines beyond the limit are dropped.
 */
export class LogStream {
  readonly #target: number | LogTarget
  readonly #limit: number
  #lines: string[] = []
  /** What was taken from the lines and is not written yet. */
  #chunk = Buffer.alloc(0)
  #bytes = 0
  /** The target makes ready. */
  #preparing = false
  /** Another thread writes the chunk. */
  #writing = false
  #retry: NodeJS.Timeout | undefined
  #lastWordsUntil: number | undefined

  /** Told of the first failure after a success. */
  readonly #onTrouble: (error: Error) => void
  #inTrouble = false

  /** `limit`: bytes that wait at the most. */
  constructor(target: number | LogTarget, limit: number, onTrouble: (error: Error) => void = () => {}) {
    this.#target = target
    this.#limit = limit
    this.#onTrouble = onTrouble
  }

  write(line: string): void {
    const size = Buffer.byteLength(line)
    if (this.#bytes + size > this.#limit) return
    this.#lines.push(line)
    this.#bytes += size
    if (this.#retry === undefined) this.#send()
  }

  /** Writes what waits before it returns, or gives up after half a second, at the first error that is not a full pipe at once. */
  flush(): void {
    this.#lastWordsUntil ??= performance.now() + LAST_WORDS
    // What another thread is writing now is written, or tried once more, when it says so.
    while (!this.#writing && this.#take()) {
      try {
        const target = this.#target
        this.#wrote(writeSync(typeof target === 'number' ? target : target.lastWords(), this.#chunk))
      } catch (error) {
        if (!isFull(error) || performance.now() >= this.#lastWordsUntil) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      }
    }
  }

  #send(): void {
    const target = this.#target
    if (this.#writing || this.#preparing || !this.#take()) return
    if (typeof target === 'number') {
      this.#writeTo(target)
      return
    }
    this.#preparing = true
    target.next(this.#chunk.length).then(
      (fd) => {
        this.#preparing = false
        // The last words may have been said meanwhile.
        if (this.#lastWordsUntil !== undefined) this.flush()
        else this.#writeTo(fd)
      },
      (error: Error) => {
        this.#preparing = false
        this.#failed(error)
      },
    )
  }

  #writeTo(fd: number): void {
    this.#writing = true
    write(fd, this.#chunk, 0, this.#chunk.length, null, (error, written) => {
      this.#writing = false
      if (error === null) this.#wrote(written)
      if (this.#lastWordsUntil !== undefined) this.flush()
      else if (error === null) this.#send()
      else this.#failed(error)
    })
  }

  #failed(error: Error): void {
    if (!this.#inTrouble && !isFull(error)) {
      this.#inTrouble = true
      this.#onTrouble(error)
    }
    this.#later(isFull(error) ? RETRY.full : RETRY.failed)
  }

  #later(delay: number): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#send()
    }, delay).unref()
  }

  /** Whether there is something to write. */
  #take(): boolean {
    if (this.#chunk.length > 0) return true
    let length = 0
    let count = 0
    while (count < this.#lines.length && length < CHUNK) length += this.#lines[count++]?.length ?? 0
    this.#chunk = Buffer.from(this.#lines.splice(0, count).join(''))
    return count > 0
  }

  #wrote(bytes: number): void {
    this.#inTrouble = false
    this.#chunk = this.#chunk.subarray(bytes)
    this.#bytes -= bytes
  }
}

/** A pipe or terminal that takes nothing at this moment, as against one that is broken or a disk that is full. */
function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY')
}
