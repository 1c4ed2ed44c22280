import { asyncScheduler, type SchedulerLike, Subscription } from 'rxjs'
import type { ProbeResult } from '../../model/probe-result.ts'
import type { ProbeKind } from '../../model/probe-spec.ts'
import { NextLook } from '../next-look.ts'
import type { Probe } from '../probe.ts'
import type { ProbeTarget } from '../target.ts'
import { type Asking, UnderWay } from '../under-way.ts'
import { sharedNow } from './shared-now.ts'
import type { Answers, Questions } from './words.ts'

/** Milliseconds in which answers are gathered: each message wakes the thread that wants them. */
const GATHER = 2

/** Milliseconds in which answers that came in time are read: the sockets are looked at more often than that (kernel/epoll.ts). */
const PATIENCE = 5

export interface AnsweringOptions {
  readonly probeFor: (kind: ProbeKind, target: ProbeTarget) => Probe
  readonly post: (answers: Answers) => void
  /** Its time is that of `sharedNow`. */
  readonly scheduler?: SchedulerLike
}

const ON_THE_SHARED_CLOCK: SchedulerLike = {
  now: sharedNow,
  schedule: asyncScheduler.schedule.bind(asyncScheduler) as SchedulerLike['schedule'],
}

/** Asks backends for somebody else, keeps the deadlines, and answers every question once. */
export class Answering {
  readonly #probeFor: AnsweringOptions['probeFor']
  readonly #post: AnsweringOptions['post']
  readonly #scheduler: SchedulerLike
  readonly #kinds = new Map<number, ProbeKind>()
  readonly #underWay: UnderWay<number>
  readonly #look: NextLook
  /** By their slots. */
  readonly #asked: (Asking<number> | undefined)[] = []
  #passed: number[] = []
  #others: Answers['others'][number][] = []
  #isGathering = false

  constructor({ probeFor, post, scheduler = ON_THE_SHARED_CLOCK }: AnsweringOptions) {
    this.#probeFor = probeFor
    this.#post = post
    this.#scheduler = scheduler
    this.#underWay = new UnderWay({ scheduler, soon: onceRead, onEnd: (asking, result) => this.#answer(asking, result) })
    this.#look = new NextLook(scheduler, (now) => {
      this.#underWay.expire(now)
      this.#look.plan(this.#underWay.nextAt, now)
    })
  }

  hear({ kinds, forgotten, asked, ended }: Questions): void {
    for (const [number, kind] of kinds) this.#kinds.set(number, kind)
    const now = this.#scheduler.now()
    for (const [slot, kind, left, target] of asked)
      this.#asked[slot] = this.#underWay.ask(slot, this.#probe(kind, target), left, now)
    for (const slot of ended) {
      const asking = this.#asked[slot]
      if (asking !== undefined) this.#underWay.endNow(asking)
    }
    for (const number of forgotten) this.#kinds.delete(number)
    this.#look.plan(this.#underWay.nextAt, now)
  }

  /** Ends all that is under way, without a word. */
  stop(): void {
    for (const asking of this.#asked) if (asking !== undefined) this.#underWay.abandon(asking)
    this.#asked.length = 0
    this.#underWay.stop()
    this.#look.plan(this.#underWay.nextAt, this.#scheduler.now())
  }

  /** Made where it is asked: a question that no probe can be made of is answered like any other. */
  #probe(number: number, target: ProbeTarget): Probe {
    const kind = this.#kinds.get(number)
    return async (signal) => {
      if (kind === undefined) throw new Error('nobody said what is asked')
      return this.#probeFor(kind, target)(signal)
    }
  }

  #answer({ of: slot, begun }: Asking<number>, result: ProbeResult): void {
    this.#asked[slot] = undefined
    const took = this.#scheduler.now() - begun
    if (isBare(result)) this.#passed.push(slot, begun, took)
    else this.#others.push([slot, begun, took, result])
    if (this.#isGathering) return
    this.#isGathering = true
    this.#scheduler.schedule(() => this.#tell(), GATHER)
  }

  #tell(): void {
    const answers = { passed: this.#passed, others: this.#others }
    this.#isGathering = false
    this.#passed = []
    this.#others = []
    this.#post(answers)
  }
}

/** After a thread stood still its timers come first, one behind the other, then the sockets, and then what was put off to be read behind them. */
function onceRead(work: () => void): Subscription {
  let next: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    next = setImmediate(() => {
      next = setImmediate(work)
    })
  }, PATIENCE)
  return new Subscription(() => {
    clearTimeout(timer)
    clearImmediate(next)
  })
}

function isBare(result: ProbeResult): boolean {
  return result.outcome === 'passed' && result.report === undefined && result.certificateDays === undefined
}
