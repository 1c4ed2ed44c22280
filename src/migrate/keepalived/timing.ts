import type { Written } from '../imported.ts'
import type { Directive } from './tree.ts'
import { isOn, timer, wholeNumber, within } from './values.ts'

/** What a virtual server says for its real servers, and these for their checkers. Times in milliseconds. */
export interface Timing {
  delayLoop?: number
  connectTimeout?: number
  retry?: number
  delayBeforeRetry?: number
  alpha?: boolean
  inhibit?: boolean
  virtualhost?: string
}

const HOUR = 3_600_000
/** What intervals and timeouts of a configuration may be, in milliseconds. */
const LEAST_INTERVAL = 100
const LEAST_TIMEOUT = 10
const MOST_RETRIES = 999

/** Takes what a directive says of times; false where it says nothing of them, nothing that can be read, or more than can be carried over. */
export function takeTiming(directive: Directive, timing: Timing): boolean {
  const { name, words, block } = directive
  if (block !== undefined) return false
  const set = <Key extends keyof Timing>(key: Key, value: Timing[Key] | undefined) => {
    if (value !== undefined) timing[key] = value
    return value !== undefined
  }
  const setBetween = (
    key: 'delayLoop' | 'connectTimeout' | 'retry' | 'delayBeforeRetry',
    value: number | undefined,
    least: number,
    most: number,
  ) => set(key, value) && value !== undefined && value >= least && value <= most
  switch (name) {
    case 'delay_loop':
      return setBetween('delayLoop', timer(words[0]), LEAST_INTERVAL, HOUR)
    case 'connect_timeout':
      return setBetween('connectTimeout', timer(words[0]), LEAST_TIMEOUT, HOUR)
    case 'retry':
    case 'nb_get_retry':
      return setBetween('retry', wholeNumber(words[0]), 0, MOST_RETRIES)
    case 'delay_before_retry':
      return setBetween('delayBeforeRetry', timer(words[0]), 0, HOUR)
    case 'alpha':
      return set('alpha', isOn(directive))
    case 'inhibit_on_failure':
      return set('inhibit', isOn(directive))
    case 'virtualhost':
      return set('virtualhost', words[0])
    default:
      return false
  }
}

/** What keepalived does where nothing is said, by the kind of checker (keepalived.conf(5)). */
export interface Usual {
  readonly retry: number
  /** Left out: the time between two checks. */
  readonly delayBeforeRetry?: number
}

/**
 * The same in the words of a health check. A check that failed is asked again `retry` times, with `delay_before_retry` between,
 * before its server is down; one success is enough to be up.
 */
export function writeTiming(timing: Timing, usual: Usual, timeout = timing.connectTimeout ?? 5_000): Written {
  const interval = timing.delayLoop ?? 60_000
  const retry = timing.retry ?? usual.retry
  const between = timing.delayBeforeRetry ?? usual.delayBeforeRetry ?? interval
  return {
    interval: within(interval, LEAST_INTERVAL, HOUR),
    ...(retry > 0 && between !== interval && { fast_interval: within(between, LEAST_INTERVAL, HOUR) }),
    timeout: within(timeout, LEAST_TIMEOUT, HOUR),
    fall: Math.min(MOST_RETRIES, retry) + 1,
    rise: 1,
    ...(timing.alpha === true && { initial: 'down' }),
  }
}
