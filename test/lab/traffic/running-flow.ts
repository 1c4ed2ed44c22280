/** One flow under way: its short connections and those it holds. */

import { Exchange, type Loss } from './exchange.ts'
import type { Counts, Flow, FlowReport } from './flow.ts'
import { type Poller, type SocketAddress, socketAddress } from './sockets.ts'
import { addTo, Tally } from './tally.ts'

interface Held {
  readonly exchange: Exchange
  /** Undefined until its first answer. */
  server: string | undefined
  lost: boolean
  echoes: number
  /** When to ask again. */
  nextEcho: number
}

export class RunningFlow {
  readonly #poller: Poller
  readonly #flow: Flow
  readonly #address: SocketAddress
  readonly #started: number
  readonly #tally = new Tally()
  readonly #held: Held[] = []
  readonly #open = new Set<Exchange>()
  /** Resting lanes, and when each goes on. */
  #resting: { readonly lane: number; readonly at: number }[] = []
  #begun = 0
  #stopping = false

  constructor(poller: Poller, flow: Flow, started: number) {
    this.#poller = poller
    this.#flow = flow
    this.#address = socketAddress(flow.address, flow.port)
    this.#started = started
    for (let n = 0; n < (flow.held ?? 0); n++) this.#hold()
  }

  /** All held connections stand or have failed. */
  get holding(): boolean {
    return this.#held.every(({ server, lost }) => server !== undefined || lost)
  }

  /** Stopped, and nothing waits for an answer. */
  get idle(): boolean {
    return (
      this.#stopping &&
      this.#open.size === 0 &&
      this.#held.every(({ exchange }) => exchange.deadline === Number.POSITIVE_INFINITY)
    )
  }

  begin(): void {
    for (let lane = 0; lane < (this.#flow.concurrency ?? 8); lane++) this.#short(lane)
  }

  /** What is due at `now`: time-outs, echoes, lanes that have rested. */
  tick(now: number): void {
    for (const exchange of this.#open) if (exchange.deadline <= now) exchange.timeOut()
    for (const held of this.#held) {
      if (held.lost) continue
      if (held.exchange.deadline <= now) held.exchange.timeOut()
      else if (held.nextEcho <= now) {
        held.nextEcho = Number.POSITIVE_INFINITY
        held.exchange.ask()
      }
    }
    const due = this.#resting.filter(({ at }) => at <= now)
    this.#resting = this.#resting.filter(({ at }) => at > now)
    for (const { lane } of due) this.#short(lane)
  }

  mark(name: string): void {
    this.#tally.mark(name, this.#at())
  }

  counts(): Counts & { readonly id: string } {
    return { id: this.#flow.id, ...this.#tally.total() }
  }

  /** Begins nothing more but one last echo on each held connection: alive in the report means answered just now. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    for (const held of this.#held) {
      held.nextEcho = Number.POSITIVE_INFINITY
      if (!held.lost && held.exchange.deadline === Number.POSITIVE_INFINITY) held.exchange.ask()
    }
  }

  report(): FlowReport {
    const alive = this.#held.filter(({ lost }) => !lost)
    const opened = this.#held.filter(({ server }) => server !== undefined)
    const servers: Record<string, number> = {}
    for (const { server } of alive) addTo(servers, server ?? '?')
    return this.#tally.report(this.#flow.id, this.#at(), {
      opened: opened.length,
      alive: alive.length,
      lost: opened.filter(({ lost }) => lost).length,
      echoes: this.#held.reduce((sum, { echoes }) => sum + echoes, 0),
      servers,
    })
  }

  #at(): number {
    return Math.round(performance.now() - this.#started)
  }

  #short(lane: number): void {
    if (this.#stopping || this.#begun >= (this.#flow.limit ?? 100_000)) return
    const localPort = this.#localPort(lane)
    this.#begun++
    const from = performance.now()
    const listener = {
      onAnswer: (server: string) => {
        exchange.close()
        this.#tally.success(server, performance.now() - from)
        this.#ended(exchange, lane)
      },
      onLoss: (loss: Loss) => {
        this.#tally.failure({ ...loss, at: this.#at(), on: 'short' })
        this.#ended(exchange, lane)
      },
    }
    const exchange: Exchange = new Exchange(this.#poller, this.#flow, this.#address, listener, localPort)
    this.#open.add(exchange)
  }

  #localPort(lane: number): number | undefined {
    const { firstLocalPort, freshPortsFrom } = this.#flow
    if (freshPortsFrom !== undefined) return freshPortsFrom + this.#begun
    return firstLocalPort === undefined ? undefined : firstLocalPort + lane
  }

  #ended(exchange: Exchange, lane: number): void {
    this.#open.delete(exchange)
    // Through the tick even without a pause after a failure: a refused lane must not spin.
    this.#resting.push({ lane, at: performance.now() + (this.#flow.pauseMs ?? 0) })
  }

  #hold(): void {
    const held: Held = {
      exchange: new Exchange(this.#poller, this.#flow, this.#address, {
        onAnswer: (server) => {
          // A connection that changes its server under way has in truth been lost.
          if (held.server !== undefined && held.server !== server)
            this.#loseHeld(held, { kind: 'garbled', code: `${held.server} became ${server}` })
          held.server = server
          held.echoes++
          if (!this.#stopping) held.nextEcho = performance.now() + (this.#flow.echoIntervalMs ?? 500)
        },
        onLoss: (loss) => this.#loseHeld(held, loss),
      }),
      server: undefined,
      lost: false,
      echoes: 0,
      nextEcho: Number.POSITIVE_INFINITY,
    }
    this.#held.push(held)
  }

  #loseHeld(held: Held, loss: Loss): void {
    held.lost = true
    held.exchange.close()
    this.#tally.note({ ...loss, at: this.#at(), on: 'held' })
  }
}
