/** What a run measures: which tables, what in each, how often. */

import type { Shape } from './shape.ts'

/**
 * `apply` fills an empty kernel; `start` stands for the whole programs, keepalived and the daemon; `daemon` for the daemon's
 * memory, scrapes and main thread; `hold` is the main thread once more, outside the lab; `consul` is the whole road from a
 * registration in a Consul agent to the kernel; `probes` is what asking backends costs beside HAProxy and keepalived; `packets` is what
 * source NAT does to packets.
 */
export const STEPS = [
  'apply',
  'resync',
  'change',
  'count',
  'blocked',
  'start',
  'daemon',
  'hold',
  'consul',
  'probes',
  'packets',
] as const

export type Step = (typeof STEPS)[number]

/** Steps that belong to a table of a plan. */
export type TableStep = Exclude<Step, 'hold' | 'consul' | 'probes' | 'packets'>

/** 100 x 100, 1,000 x 10, 1 x 10,000. */
export const TABLES = ['wide', 'many', 'large'] as const

export type Table = (typeof TABLES)[number]

export interface TablePlan {
  readonly shape: Shape
  /** Measured rounds; the programs take turns in each. */
  readonly rounds: number
  /** Rounds before them that are thrown away: V8 compiles what runs often, and a daemon is such a program. */
  readonly warmUp: number
  readonly steps: readonly TableStep[]
}

/** How the road from a Consul agent is measured. */
export interface ConsulPlan {
  /** The services in the agent, with the instances that each has before the measured ones come. */
  readonly shape: Shape
  /** Registrations that are thrown away, and then those that count, each of another service; at most as many as there are services. */
  readonly warmUp: number
  readonly registrations: number
  /** As many in the ways of asking that are reported and not judged. */
  readonly reported: number
  /** Registrations under the profiler, which says where the time goes; 0: none. */
  readonly profiled: number
  /** Milliseconds without any change in which requests are counted in the lab, soon after the start: every query ends once in a minute and a sixteenth. */
  readonly young: number
  /** Milliseconds without any change in which processor time is judged on this machine itself: every query ends once in `wait` and a sixteenth. */
  readonly idle: number
  /** Milliseconds between the start of the daemon and that: V8 compiles what runs often, and for three minutes there are more questions. */
  readonly settled: number
}

export interface Plan {
  readonly tables: readonly TablePlan[]
  /** The small table with which a change in a large one is compared. */
  readonly small: Shape
}

/** Guest paths of the bundles. */
export interface Programs {
  readonly daemon: string
  readonly watch: string
}

export interface Sizes extends Readonly<Record<Table, Shape>> {
  readonly small: Shape
}

const FULL_SIZES: Sizes = {
  wide: { services: 100, backends: 100, scheduler: 'wlc' },
  many: { services: 1000, backends: 10, scheduler: 'wlc' },
  large: { services: 1, backends: 10_000, scheduler: 'wlc' },
  small: { services: 1, backends: 100, scheduler: 'wlc' },
}

/** Enough to see that everything runs; the values mean nothing. */
const QUICK_SIZES: Sizes = {
  wide: { services: 5, backends: 5, scheduler: 'wlc' },
  many: { services: 20, backends: 2, scheduler: 'wlc' },
  large: { services: 1, backends: 50, scheduler: 'wlc' },
  small: { services: 1, backends: 5, scheduler: 'wlc' },
}

const EACH_TABLE: readonly TableStep[] = ['apply', 'resync', 'change', 'count', 'blocked']

export interface PlanOptions {
  readonly quick: boolean
  readonly rounds: number
  readonly warmUp: number
  /** The steps that are made at all. */
  readonly only: readonly Step[]
  readonly tables: readonly Table[]
}

export function planFor({ quick, rounds, warmUp, only, tables }: PlanOptions): Plan {
  const sizes = sizesFor(quick)
  const table = (shape: Shape, ...more: readonly TableStep[]): TablePlan => {
    const steps = [...EACH_TABLE, ...more].filter((step) => only.includes(step))
    return { shape, rounds, warmUp, steps }
  }
  // The start of a program takes long; to see that it is measured one table is enough.
  const start: readonly TableStep[] = quick ? [] : ['start']
  const wrr = table({ ...sizes.large, scheduler: 'wrr' })
  const quadratic: TablePlan = { ...wrr, rounds: 1, warmUp: 0, steps: wrr.steps.filter((step) => step === 'apply') }
  const plans: Record<Table, readonly TablePlan[]> = {
    wide: [table(sizes.wide, ...start)],
    many: [table(sizes.many, ...start)],
    large: [table(sizes.large, 'start', 'daemon'), quadratic],
  }
  return { tables: tables.flatMap((name) => plans[name]).filter(({ steps }) => steps.length > 0), small: sizes.small }
}

const CONSUL_FULL = {
  warmUp: 40,
  registrations: 250,
  reported: 100,
  profiled: 60,
  young: 64_000,
  settled: 250_000,
  idle: 320_000,
}
/** Long enough for one interval of the agent's telemetry. */
const CONSUL_QUICK = { warmUp: 1, registrations: 4, reported: 4, profiled: 0, young: 11_000, settled: 2_000, idle: 11_000 }

/** Undefined where the step is not asked for; its table is that of 1,000 services. */
export function consulPlanFor({ quick, only, tables }: PlanOptions): ConsulPlan | undefined {
  if (!only.includes('consul') || !tables.includes('many')) return undefined
  return { shape: sizesFor(quick).many, ...(quick ? CONSUL_QUICK : CONSUL_FULL) }
}

export function sizesFor(quick: boolean): Sizes {
  return quick ? QUICK_SIZES : FULL_SIZES
}
