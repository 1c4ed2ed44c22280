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

/** Takes what a directive says of times; false where it says nothing of them, or nothing that can be read. */
export function takeTiming(directive: Directive, timing: Timing): boolean {
  const { name, words } = directive
  const set = <Key extends keyof Timing>(key: Key, value: Timing[Key] | undefined) => {
    if (value !== undefined) timing[key] = value
    return value !== undefined
  }
  switch (name) {
    case 'delay_loop':
      return set('delayLoop', timer(words[0]))
    case 'connect_timeout':
      return set('connectTimeout', timer(words[0]))
    case 'retry':
    case 'nb_get_retry':
      return set('retry', wholeNumber(words[0]))
    case 'delay_before_retry':
      return set('delayBeforeRetry', timer(words[0]))
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
    interval: within(interval, 100, HOUR),
    ...(retry > 0 && between < interval && { fast_interval: within(between, 100, HOUR) }),
    timeout: within(timeout, 10, HOUR),
    fall: Math.min(1000, retry + 1),
    rise: 1,
    ...(timing.alpha === true && { initial: 'down' }),
  }
}
