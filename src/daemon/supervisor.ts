import type { Host } from './host.ts'

/** systemd restarts a unit that is silent for the whole interval: half of it is left for a slow moment. */
const FEEDS_PER_INTERVAL = 2

/**
 * What the service manager is told (sd_notify(3), Type=notify). Signs of life come from the reconcile loop alone: a
 * process that still has a timer but no longer reconciles must be restarted.
 */
export class Supervisor {
  readonly #host: Host
  #ready = false
  #stopping = false

  constructor(host: Host) {
    this.#host = host
  }

  /** Milliseconds between two passes at the most, so that the watchdog never bites a healthy daemon; undefined: any. */
  get passInterval(): number | undefined {
    return this.#host.watchdog === undefined ? undefined : this.#host.watchdog / FEEDS_PER_INTERVAL
  }

  /** A pass ended; while the kernel is not stuck this is a sign of life. */
  passEnded(state: { readonly stuck: boolean; readonly status: string }): void {
    if (this.#stopping) return
    const alive = this.#host.watchdog !== undefined && !state.stuck ? 'WATCHDOG=1\n' : ''
    this.#host.notify(`${alive}STATUS=${state.status}`)
  }

  /** The first reconcile is done. */
  ready(status: string): void {
    if (this.#ready || this.#stopping) return
    this.#ready = true
    this.#host.notify(`READY=1\nSTATUS=${status}`)
  }

  /** Type=notify-reload wants the monotonic time with it; CLOCK_MONOTONIC is what process.hrtime reads. */
  reloading(): void {
    if (this.#ready) this.#host.notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  }

  reloaded(status: string): void {
    if (this.#ready) this.#host.notify(`READY=1\nSTATUS=${status}`)
  }

  /** `patience`: milliseconds that the end may take beyond the manager's own limit. */
  stopping(patience: number): void {
    this.#stopping = true
    this.#host.notify(patience > 0 ? `STOPPING=1\nEXTEND_TIMEOUT_USEC=${Math.ceil(patience * 1000)}` : 'STOPPING=1')
  }
}
