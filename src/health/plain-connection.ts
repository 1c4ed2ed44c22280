import { type StreamListener, StreamSocket, SystemCallError } from '../kernel/for-probes.ts'
import type { ProbeResult, ServiceFailure } from '../model/probe-result.ts'
import { connectError, connectFailure, lostWords } from './connection.ts'
import { problemOf } from './marked.ts'
import type { EndSignal } from './probe.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** A connection on which the probe speaks first, or not at all: the cheap kind, for the thousands. */
export interface PlainConnection {
  send(bytes: Uint8Array): void
  /** Ends the probe and the connection, with a reset. */
  settle(result: ProbeResult): void
  /** The same, with a sentence that begins with the target's name. */
  fail(failure: ServiceFailure, what: string): void
  /** Undefined: nothing that comes in matters. */
  listener: PlainListener | undefined
  /** What is said when the deadline comes next. */
  silence: string
}

export interface PlainListener {
  /** Told of each piece that comes in. */
  hear(chunk: Buffer): void
  /** Told when the backend has ended its side; what is not settled then has failed. */
  ended(): void
}

/** As overConnection, which see, for probes that need no stream to read from and do not wait for a greeting. */
export function overPlainConnection(
  target: ProbeTarget,
  signal: EndSignal,
  talk: (connection: PlainConnection) => void,
  name?: string,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(connectFailure(target, 'timed-out'))
    const asking = new Asking(target, signal, talk, name, resolve)
    asking.begin()
  })
}

class Asking implements PlainConnection, StreamListener {
  listener: PlainListener | undefined
  silence = 'accepts the connection and does not answer in time'
  readonly #target: ProbeTarget
  readonly #signal: EndSignal
  readonly #talk: (connection: PlainConnection) => void
  readonly #name: string | undefined
  readonly #resolve: (result: ProbeResult) => void
  #socket: StreamSocket | undefined
  #stands = false

  constructor(
    target: ProbeTarget,
    signal: EndSignal,
    talk: (connection: PlainConnection) => void,
    name: string | undefined,
    resolve: (result: ProbeResult) => void,
  ) {
    this.#target = target
    this.#signal = signal
    this.#talk = talk
    this.#name = name
    this.#resolve = resolve
  }

  begin(): void {
    try {
      this.#socket = new StreamSocket(this.#target, this)
      this.#signal.addEventListener('abort', this.#abort)
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error
      const { call, errno: code } = error
      const isOurs = call === 'setsockopt' || call === 'bind'
      this.#resolve(
        isOurs ? { outcome: 'unknown', message: problemOf(error, this.#target) } : connectError(this.#target, { code }, false),
      )
    }
  }

  send(bytes: Uint8Array): void {
    this.#socket?.send(bytes)
  }

  settle(result: ProbeResult): void {
    this.#signal.removeEventListener('abort', this.#abort)
    this.#socket?.[Symbol.dispose]()
    // What comes later changes nothing.
    this.#resolve(result)
  }

  fail(failure: ServiceFailure, what: string): void {
    this.settle({ outcome: 'failed', failure, message: `${this.#name ?? targetName(this.#target)} ${what}` })
  }

  connected(): void {
    this.#stands = true
    this.#talk(this)
  }

  received(bytes: Buffer): void {
    this.listener?.hear(Buffer.from(bytes))
  }

  ended(): void {
    if (this.listener === undefined) this.fail('closed', 'closes the connection without an answer')
    else this.listener.ended()
  }

  failed({ errno: code }: SystemCallError): void {
    if (this.#stands) this.fail('closed', lostWords(code))
    else this.settle(connectError(this.#target, { code }, true))
  }

  readonly #abort = (): void => {
    if (this.#stands) this.fail('no-answer', this.silence)
    else this.settle(connectFailure(this.#target, 'timed-out'))
  }
}
