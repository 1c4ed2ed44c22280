import type { Grammar } from '../document/reading.ts'
import { choice } from '../document/values/choice.ts'
import type { SchedulerFlags } from '../model/virtual-service.ts'

/** The names of ipvsadm (`--sched-flags`): the bit each sets and the scheduler it belongs to, if to one. */
const FLAGS = {
  'sh-fallback': { bit: 'flag1', scheduler: 'sh' },
  'sh-port': { bit: 'flag2', scheduler: 'sh' },
  'mh-fallback': { bit: 'flag1', scheduler: 'mh' },
  'mh-port': { bit: 'flag2', scheduler: 'mh' },
  'flag-1': { bit: 'flag1', scheduler: undefined },
  'flag-2': { bit: 'flag2', scheduler: undefined },
  'flag-3': { bit: 'flag3', scheduler: undefined },
} as const

export type FlagName = keyof typeof FLAGS

export const FLAG_NAMES = Object.keys(FLAGS) as FlagName[]

export const flag: Grammar<FlagName> = choice(FLAG_NAMES)

/** The scheduler that alone knows the flag by this name. */
export function schedulerOfFlag(name: FlagName): 'sh' | 'mh' | undefined {
  return FLAGS[name].scheduler
}

export function toFlags(names: readonly FlagName[]): SchedulerFlags {
  const set = new Set(names.map((name) => FLAGS[name].bit))
  return { flag1: set.has('flag1'), flag2: set.has('flag2'), flag3: set.has('flag3') }
}

/** The names of the flags that are set, as the scheduler calls them. */
export function flagNames(flags: SchedulerFlags, scheduler: string): FlagName[] {
  const own = scheduler === 'sh' || scheduler === 'mh' ? scheduler : undefined
  const names: FlagName[] = []
  if (flags.flag1) names.push(own === undefined ? 'flag-1' : `${own}-fallback`)
  if (flags.flag2) names.push(own === undefined ? 'flag-2' : `${own}-port`)
  if (flags.flag3) names.push('flag-3')
  return names
}
