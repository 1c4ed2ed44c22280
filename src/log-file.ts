import { close, fstat, open, openSync, type Stats } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { LogTarget } from './log-stream.ts'

export interface LogFileOptions {
  /** Absolute; its directory must be there. */
  readonly path: string
  /** Bytes that the file has at the most, but for one line that is longer; 0: it is never rotated. */
  readonly maxSize: number
  /** Former files that stay: `PATH.1` is the newest. */
  readonly keep: number
}

/** Those who collect logs may read them, others may not. */
const MODE = 0o640

/** Milliseconds from a rotation that failed to the next one. */
const ROTATE_AGAIN = 60_000

/** Descriptors and no file handles: those are closed when nobody holds them any more. */
const opened = promisify(open)
const closed = promisify(close)
const statOf: (fd: number) => Promise<Stats> = promisify(fstat)

/**
 * A log file that begins anew when it is full. It is looked at before each write, so that a file which somebody else has moved away
 * or removed (logrotate) is made again without a signal. Where rotating is not possible the file grows on,
 * of which `onGrowth` is told once until it is possible again.
 */
export class LogFile implements LogTarget {
  readonly #options: LogFileOptions
  readonly #onGrowth: (error: Error) => void
  #fd: number | undefined
  /** When rotating is tried next where the last time failed. */
  #rotateAt: number | undefined

  constructor(options: LogFileOptions, onGrowth: (error: Error) => void = () => {}) {
    this.#options = options
    this.#onGrowth = onGrowth
  }

  async next(bytes: number): Promise<number> {
    const { path, maxSize } = this.#options
    const there = await stat(path).catch(absent)
    const isFull = there !== undefined && maxSize > 0 && there.size > 0 && there.size + bytes > maxSize
    const mayRotate = this.#rotateAt === undefined || performance.now() >= this.#rotateAt
    if (isFull && mayRotate) await this.#tryToRotate()
    else if (this.#fd !== undefined && there !== undefined && isSame(await statOf(this.#fd), there)) return this.#fd
    return this.#reopen()
  }

  lastWords(): number {
    this.#fd ??= openSync(this.#options.path, 'a', MODE)
    return this.#fd
  }

  async #reopen(): Promise<number> {
    const former = this.#fd
    const fd = await opened(this.#options.path, 'a', MODE)
    this.#fd = fd
    if (former !== undefined) await closed(former)
    return fd
  }

  async #tryToRotate(): Promise<void> {
    try {
      await this.#rotate()
      this.#rotateAt = undefined
    } catch (error) {
      if (this.#rotateAt === undefined) this.#onGrowth(error as Error)
      this.#rotateAt = performance.now() + ROTATE_AGAIN
    }
  }

  async #rotate(): Promise<void> {
    const { path, keep } = this.#options
    if (keep === 0) return rm(path)
    for (let age = keep - 1; age > 0; age--) await rename(`${path}.${age}`, `${path}.${age + 1}`).catch(absent)
    await rename(path, `${path}.1`)
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
