import type { IncomingHttpHeaders } from 'node:http'

/** What a later request says of an earlier answer, so that the server need not send it again (RFC 9110, section 13.1). */
export interface Validators {
  readonly 'if-none-match'?: string
  readonly 'if-modified-since'?: string
}

/** Milliseconds between the last modification and the answer below which both may belong to the same second of a file system. */
const SAME_MOMENT = 2_000

/**
 * The validators of an answer. None where it was changed in the very moment in which it was given: servers make both
 * validators of whole seconds (nginx also the ETag), so that another change in that second would never be seen.
 */
export function validatorsOf({ etag, 'last-modified': modified, date }: IncomingHttpHeaders): Validators {
  if (modified !== undefined) {
    const age = httpDate(date) - httpDate(modified)
    if (!(age >= SAME_MOMENT)) return {}
  }
  return {
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(modified !== undefined && { 'if-modified-since': modified }),
  }
}

/** `application/json`, alone or with `charset=utf-8`. */
export function isJson(contentType: string | undefined): boolean {
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim().toLowerCase())
  if (type !== 'application/json') return false
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length)
  return charset === undefined || ['utf-8', 'utf8'].includes(charset.replaceAll('"', ''))
}

/** Milliseconds for which the server says that its answer stays as it is (RFC 9111: max-age less Age); 0 where it does not say. */
export function freshFor({ 'cache-control': control, age }: IncomingHttpHeaders): number {
  const directives = (control ?? '').split(',').map((directive) => directive.trim().toLowerCase())
  if (directives.includes('no-cache') || directives.includes('no-store')) return 0
  const seconds = directives
    .map((directive) => /^max-age="?(\d{1,10})"?$/.exec(directive)?.[1])
    .find((found) => found !== undefined)
  return Math.max(0, Number(seconds ?? 0) - wholeSeconds(age)) * 1_000
}

/**
 * Milliseconds that the server asks to wait (RFC 9110, section 10.2.3: seconds or a date); undefined where it does not ask.
 * A date is compared with the server's own clock where it gives it.
 */
export function retryAfter({ 'retry-after': asked, date }: IncomingHttpHeaders, now: number): number | undefined {
  if (asked === undefined) return undefined
  if (/^\d{1,10}$/.test(asked.trim())) return wholeSeconds(asked) * 1_000
  const until = httpDate(asked)
  if (Number.isNaN(until)) return undefined
  const serverNow = httpDate(date)
  return Math.max(0, until - (Number.isNaN(serverNow) ? now : serverNow))
}

function wholeSeconds(text: string | undefined): number {
  return /^\d{1,10}$/.test(text?.trim() ?? '') ? Number(text) : 0
}

/** RFC 9110, section 5.6.7, in milliseconds since the epoch; NaN for anything else (Date.parse alone takes `-5` for a year). */
function httpDate(text: string | undefined): number {
  return /^[A-Za-z]{3,9},? .*\d\d:\d\d:\d\d/.test(text ?? '') ? Date.parse(text ?? '') : Number.NaN
}
