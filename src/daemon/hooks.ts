import type { HooksSettings } from '../config/configuration.ts'
import type { Logger } from '../log.ts'
import type { StateEvent } from '../model/state-event.ts'
import { wallTime } from '../steady-scheduler.ts'
import { runHook } from './hook-exec.ts'
import { HookQueue, type HookResult } from './hook-queue.ts'
import { postHook } from './hook-webhook.ts'

/** Runs of one hook under way at a time. */
const AT_ONCE = 8
/** Transitions that may wait for one hook. */
const WAITING = 1_000
/** Milliseconds that hooks have at the end of the daemon. */
const PATIENCE = 5_000

/** The two programs of the quorum are one hook, so that they never overtake each other. */
const HOOKS = ['exec', 'webhook', 'quorum'] as const
export type HookName = (typeof HOOKS)[number]

type Run = (event: StateEvent, text: string, signal: AbortSignal) => Promise<void>

interface Told {
  readonly event: StateEvent
  /** As the hook is told. */
  readonly text: string
}

export interface HooksOptions {
  /** Those of the configuration in force. */
  readonly settings: () => HooksSettings | undefined
  readonly logger: Logger
  readonly onEnd: (hook: HookName, result: HookResult) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Tells a program and a web server of transitions, beside the road and never in its way. */
export class Hooks implements AsyncDisposable {
  readonly #options: HooksOptions
  readonly #queues: ReadonlyMap<HookName, HookQueue<Told>>
  readonly #failing = new Set<HookName>()

  constructor(options: HooksOptions) {
    this.#options = options
    this.#queues = new Map(HOOKS.map((name) => [name, this.#queue(name)]))
  }

  offer(event: StateEvent): void {
    const settings = this.#options.settings()
    if (settings === undefined) return
    const wanting = [...this.#queues].filter(([name]) => runOf(name, event, settings) !== undefined)
    if (wanting.length === 0) return
    const text = eventJson(event, this.#options.now())
    for (const [, queue] of wanting) queue.offer({ event, text })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close(PATIENCE)))
  }

  #queue(name: HookName): HookQueue<Told> {
    return new HookQueue<Told>({
      about: ({ event: { vip, backend = '', source = '' } }) => `${vip} ${backend} ${source}`,
      run: async ({ event, text }, signal) => {
        const settings = this.#options.settings()
        // It may have left the configuration in the meantime.
        await (settings && runOf(name, event, settings))?.(event, text, signal)
      },
      onEnd: (result, error) => this.#ended(name, result, error),
      timeout: () => this.#options.settings()?.timeout ?? 0,
      atOnce: AT_ONCE,
      waiting: WAITING,
    })
  }

  #ended(name: HookName, result: HookResult, error: unknown): void {
    const { logger, onEnd } = this.#options
    onEnd(name, result)
    if (result === 'ok') {
      if (this.#failing.delete(name)) logger.info({ hook: name }, `the ${name} hook works again`)
      return
    }
    if (this.#failing.has(name)) return
    this.#failing.add(name)
    const why = result === 'dropped' ? 'too many transitions wait for it, so that some are dropped' : sentenceOf(error)
    logger.warn({ hook: name, result }, `the ${name} hook fails: ${why} (further failures are counted and not logged)`)
  }
}

/** How a hook tells of an event; undefined where that one is not for it. */
function runOf(name: HookName, { kind, to }: StateEvent, settings: HooksSettings): Run | undefined {
  const { exec, webhook, quorumUp, quorumDown, on } = settings
  switch (name) {
    case 'exec':
      return exec && on.includes(kind) ? program(exec) : undefined
    case 'webhook':
      return webhook && on.includes(kind) ? (_, text, signal) => postHook(webhook, text, signal) : undefined
    case 'quorum': {
      const command = to === 'had' ? quorumUp : quorumDown
      return command && kind === 'quorum' ? program(command) : undefined
    }
  }
}

function program(command: readonly string[]): Run {
  return (event, text, signal) => runHook(command, text, environmentOf(event), signal)
}

/** What a hook is told, as one line. */
function eventJson({ kind, service, vip, backend, source, from, to, cause, reasons }: StateEvent, now: number): string {
  return JSON.stringify({ at: wallTime(now), kind, service, vip, backend, source, from, to, cause, reasons })
}

function environmentOf({ kind, service, vip, backend, source, from, to, cause }: StateEvent): Record<string, string> {
  return {
    POINTSMAN_KIND: kind,
    POINTSMAN_SERVICE: service,
    POINTSMAN_VIP: vip,
    POINTSMAN_BACKEND: backend ?? '',
    POINTSMAN_SOURCE: source ?? '',
    POINTSMAN_FROM: from,
    POINTSMAN_TO: to,
    POINTSMAN_CAUSE: cause,
  }
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
