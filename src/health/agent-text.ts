import type { SelfReport } from '../model/probe-result.ts'

/** What one line of an agent says; absent is nothing said. */
export interface AgentWord {
  readonly state?: 'up' | 'down'
  readonly report: Omit<SelfReport, 'weight'>
  /** As it says it: the word, and what stands behind the sharp. */
  readonly text: string
}

const STATES: ReadonlyMap<string, 'up' | 'down'> = new Map([
  ['up', 'up'],
  ['down', 'down'],
  ['fail', 'down'],
  ['stopped', 'down'],
])

const WISHES: ReadonlyMap<string, NonNullable<SelfReport['wish']>> = new Map([
  ['ready', 'ready'],
  ['drain', 'drain'],
  ['maint', 'maintenance'],
])

const PERCENT = /^(\d{1,6})%$/

/**
 * Reads one line of HAProxy's agent-check: words between blanks or commas, in any order and case, a description behind `#`. Of
 * two words of a kind the last counts, a share above 100% counts as 100%, `maxconn:` is passed over as IPVS has no such limit.
 * Undefined where no word is known.
 */
export function readAgentLine(line: string): AgentWord | undefined {
  const [head = '', ...description] = line.split('#')
  const words = head.toLowerCase().split(/[\s,]+/)
  const stateWord = words.findLast((word) => STATES.has(word)) ?? ''
  const state = STATES.get(stateWord)
  const wish = WISHES.get(words.findLast((word) => WISHES.has(word)) ?? '')
  const share = words.findLast((word) => PERCENT.test(word))
  const percent = share === undefined ? undefined : Math.min(Number.parseInt(share, 10), 100)
  const said = state ?? wish ?? percent ?? words.find((word) => word.startsWith('maxconn:'))
  if (said === undefined) return undefined
  return {
    ...(state !== undefined && { state }),
    report: { ...(percent !== undefined && { percent }), ...(wish !== undefined && { wish }) },
    text: [stateWord, description.join('#').trim()].filter((part) => part !== '').join(': '),
  }
}
