import type { HttpProbeSpec } from '../model/probe-spec.ts'
import type { HttpRedirect } from './http-answer.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** One request, ready to be sent in either version of HTTP. */
export interface HttpQuestion {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Host header, `:authority`. */
  readonly authority: string
  readonly path: string
  readonly headers: HttpProbeSpec['headers']
}

export function firstQuestion(target: ProbeTarget, { method, tls, host, path, headers }: HttpProbeSpec): HttpQuestion {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent')
  return {
    method,
    scheme: tls === undefined ? 'http' : 'https',
    authority: host ?? targetName(target),
    path,
    headers: named ? headers : { 'user-agent': 'pointsman', ...headers },
  }
}

/** What is asked next; undefined where a redirect leads away from the backend. */
export function redirected(
  question: HttpQuestion,
  { status, location }: HttpRedirect,
  target: ProbeTarget,
): HttpQuestion | undefined {
  const { scheme, authority, path, method } = question
  const next = URL.parse(location, `${scheme}://${authority}${path}`)
  if (next === null || next.protocol !== `${scheme}:`) return undefined
  const same = [authority, targetName(target)].some((host) => new URL(`${scheme}://${host}`).host === next.host)
  if (!same) return undefined
  // What is asked for is seen at the other path (RFC 9110, 15.4.4).
  const changes = status === 303 && method !== 'HEAD'
  return { ...question, path: `${next.pathname}${next.search}`, ...(changes && { method: 'GET' }) }
}
