/** A command that runs in the lab, seen from the host. */

import { StringDecoder } from 'node:string_decoder'
import type { Connection } from './connection.ts'
import { LabError } from './lab-error.ts'

export interface SpawnOptions {
  /** A network namespace of the lab, by name. */
  readonly netns?: string
  /** Added to the lab's environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** The first input. */
  readonly input?: string | Uint8Array
  /** Keep the input open for `write`; else the command's input ends after `input`. */
  readonly keepInput?: boolean
}

export interface ExitStatus {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined
  readonly signal: string | undefined
}

type Stream = 'stdout' | 'stderr'
type LineListener = (line: string, stream: Stream) => void

export class LabProcess {
  /** Resolves when the command has ended and all its output has arrived; rejects if it never started or the lab is gone. */
  readonly exited: Promise<ExitStatus>
  readonly #connection: Connection
  readonly #id: string
  readonly #chunks: Record<Stream, Buffer[]> = { stdout: [], stderr: [] }
  readonly #partial: Record<Stream, string> = { stdout: '', stderr: '' }
  readonly #decoders = { stdout: new StringDecoder(), stderr: new StringDecoder() }
  readonly #lines: [string, Stream][] = []
  readonly #listeners: LineListener[] = []

  constructor(connection: Connection, argv: readonly string[], options: SpawnOptions) {
    this.#connection = connection
    this.#id = connection.newId()
    this.exited = this.#follow()
    // Whoever awaits it sees the failure; nobody need.
    this.exited.catch(() => undefined)
    const { netns, env, cwd } = options
    const keepInput = options.keepInput ?? false
    connection.send(
      {
        op: 'spawn',
        id: this.#id,
        argv,
        keepInput,
        ...(netns === undefined ? {} : { netns }),
        ...(env === undefined ? {} : { env }),
        ...(cwd === undefined ? {} : { cwd }),
      },
      Buffer.from(options.input ?? ''),
    )
  }

  /** Standard output so far. */
  get stdout(): string {
    return Buffer.concat(this.#chunks.stdout).toString()
  }

  /** Standard error so far. */
  get stderr(): string {
    return Buffer.concat(this.#chunks.stderr).toString()
  }

  /** Calls the listener with each complete line, those already there first. */
  onLine(listener: LineListener): void {
    for (const [line, stream] of this.#lines) listener(line, stream)
    this.#listeners.push(listener)
  }

  /** The first line, past or future, that `accept` likes. Rejects when the command ends, or after `timeoutMs`, without one. */
  waitForLine(accept: (line: string) => boolean, timeoutMs = 30_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new LabError(`${why} before the line awaited; it said: ${this.#lastWords()}`))
      const timer = setTimeout(() => fail(`${timeoutMs / 1000} s passed`), timeoutMs)
      this.onLine((line) => {
        if (!accept(line)) return
        clearTimeout(timer)
        resolve(line)
      })
      this.exited.then(
        ({ code, signal }) => fail(`the command ended (${signal ?? code})`),
        (error: Error) => reject(error),
      )
    })
  }

  write(text: string | Uint8Array): void {
    this.#connection.send({ op: 'input', id: this.#id }, Buffer.from(text))
  }

  endInput(): void {
    this.#connection.send({ op: 'end-input', id: this.#id })
  }

  /** Signals the command and what it started (its process group). */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#connection.send({ op: 'signal', id: this.#id, signal })
  }

  #lastWords(): string {
    return this.#lines
      .slice(-5)
      .map(([line]) => line)
      .join(' | ')
  }

  #follow(): Promise<ExitStatus> {
    return new Promise((resolve, reject) => {
      this.#connection.listen(this.#id, {
        onAnswer: (head, body) => {
          switch (head.op) {
            case 'stdout':
            case 'stderr':
              return this.#take(head.op, body)
            case 'exit':
              this.#connection.forget(this.#id)
              this.#flush()
              return resolve({ code: head.code ?? undefined, signal: head.signal ?? undefined })
            case 'failed':
              this.#connection.forget(this.#id)
              return reject(new LabError(head.message))
            default:
              return
          }
        },
        onGone: reject,
      })
    })
  }

  #take(stream: Stream, chunk: Buffer): void {
    this.#chunks[stream].push(Buffer.from(chunk))
    const lines = this.#decoders[stream].write(chunk).split('\n')
    const partial = lines.pop() ?? ''
    for (const line of lines) {
      this.#tell(this.#partial[stream] + line, stream)
      this.#partial[stream] = ''
    }
    this.#partial[stream] += partial
  }

  #flush(): void {
    for (const stream of ['stdout', 'stderr'] as const)
      if (this.#partial[stream] !== '') this.#tell(this.#partial[stream], stream)
  }

  #tell(line: string, stream: Stream): void {
    this.#lines.push([line, stream])
    for (const listener of this.#listeners) listener(line, stream)
  }
}
