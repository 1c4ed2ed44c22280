/** One socket of the generator and the questions asked on it, over TCP, SCTP or UDP. */

import type { Failure, FailureKind, Flow } from './flow.ts'
import {
  connectTo,
  edgeTriggered,
  hungUp,
  type Poller,
  readable,
  receiveText,
  type SocketAddress,
  SocketError,
  sendText,
  writable,
} from './sockets.ts'

export type Loss = Pick<Failure, 'kind' | 'code'>

const kinds: Readonly<Record<string, FailureKind>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ETIMEDOUT: 'timeout',
}

function lossOf(error: unknown): Loss {
  if (!(error instanceof SocketError)) return { kind: 'other', code: String(error) }
  return { kind: kinds[error.code] ?? 'other', code: error.code }
}

let questions = 0

/** The server's name, if the answer is that name and the question. */
function readAnswer(question: string, answer: string): string | undefined {
  const space = answer.indexOf(' ')
  return space > 0 && answer.slice(space + 1) === question ? answer.slice(0, space) : undefined
}

export interface ExchangeListener {
  onAnswer(server: string): void
  /** The socket is closed by then. */
  onLoss(loss: Loss): void
}

export class Exchange {
  /** When the open question must be answered, by `performance.now()`; Infinity while none is open. */
  deadline: number
  readonly #poller: Poller
  readonly #flow: Flow
  readonly #listener: ExchangeListener
  #fd = -1
  #question: string
  #answer = ''

  /** Connects, from `localPort` where one is given, and asks the first question. */
  constructor(poller: Poller, flow: Flow, address: SocketAddress, listener: ExchangeListener, localPort?: number) {
    this.#poller = poller
    this.#flow = flow
    this.#listener = listener
    this.#question = `${questions++}\n`
    this.deadline = performance.now() + (flow.timeoutMs ?? 10_000)
    try {
      this.#fd = connectTo(flow.protocol, address, localPort)
    } catch (error) {
      // Told later, so that the caller holds this object first.
      queueMicrotask(() => this.#lose(lossOf(error)))
      return
    }
    let asked = false
    poller.add(this.#fd, readable | writable | hungUp | edgeTriggered, (events) => {
      try {
        if (!asked && (events & writable) !== 0) {
          asked = true
          sendText(this.#fd, this.#question)
        }
        if ((events & (readable | hungUp)) !== 0) this.#take(receiveText(this.#fd))
      } catch (error) {
        this.#lose(lossOf(error))
      }
    })
  }

  /** Asks again on the same socket. */
  ask(): void {
    this.#question = `${questions++}\n`
    this.#answer = ''
    this.deadline = performance.now() + (this.#flow.timeoutMs ?? 10_000)
    try {
      sendText(this.#fd, this.#question)
    } catch (error) {
      this.#lose(lossOf(error))
    }
  }

  /** Nobody is told. */
  close(): void {
    if (this.#fd >= 0) this.#poller.close(this.#fd)
    this.#fd = -1
    this.deadline = Number.POSITIVE_INFINITY
  }

  timeOut(): void {
    this.#lose({ kind: 'timeout', code: '' })
  }

  #take(text: string | undefined): void {
    if (text === undefined) return
    if (text === '') {
      this.#lose({ kind: 'closed', code: '' })
      return
    }
    this.#answer += text
    if (!this.#answer.endsWith('\n')) return
    const server = readAnswer(this.#question, this.#answer)
    this.deadline = Number.POSITIVE_INFINITY
    if (server === undefined) this.#lose({ kind: 'garbled', code: '' })
    else this.#listener.onAnswer(server)
  }

  #lose(loss: Loss): void {
    this.close()
    this.#listener.onLoss(loss)
  }
}
