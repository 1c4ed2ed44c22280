import { type Trouble, unreadable } from './trouble.ts'

export const MAX_REDIRECTS = 5

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status)
}

/** `https://inventory.example:8443`. Unlike URL.origin it tells the servers of every scheme apart. */
export function serverOf(url: URL): string {
  return `${url.protocol}//${url.host}`
}

/**
 * Where a redirect leads. Only within the same scheme, host and port, or from http to https on the same host: whoever may
 * redirect must not choose whose list is believed and who sees the password.
 */
export function redirectTarget(from: URL, location: string | undefined): URL | Trouble {
  const to = location === undefined ? null : URL.parse(location, from.href)
  if (to === null) return unreadable('the server redirects without saying where to', 'look into the log of the server')
  if (to.username !== '' || to.password !== '')
    return unreadable('the server redirects to an address with a user name', 'write that address without it as the url')
  if (from.protocol === 'https:' && to.protocol !== 'https:')
    return unreadable('the server redirects from https to an address without TLS', 'correct the server')
  const upgraded = from.protocol === 'http:' && to.protocol === 'https:' && from.hostname === to.hostname
  if (serverOf(to) !== serverOf(from) && !upgraded)
    return unreadable(
      `the server redirects to ${serverOf(to)}`,
      'write the address of the list there as the url; other hosts are not followed',
    )
  to.hash = ''
  return to
}
