import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

/**
 * Why the status page and its API do not answer this visitor; undefined: they do. Another site's page, open in the operator's
 * browser, must not read them: neither under a name of its own that suddenly leads here (DNS rebinding), nor from its own
 * origin, nor by embedding them. `names`: those that are allowed beside addresses and localhost, in small letters.
 */
export function whyTurnedAway(headers: IncomingHttpHeaders, names: readonly string[], isPage: boolean): string | undefined {
  const host = hostIn(headers.host)
  if (host === undefined || !isOwn(host, names)) {
    return 'Addresses, localhost and the names of global.admin_allowed_hosts are answered here. The Host of this request is none of them.'
  }
  const { origin } = headers
  const site = headers['sec-fetch-site']
  if (origin !== undefined && !sameHost(origin, headers.host)) return ELSEWHERE
  // A link that is followed to the page is harmless; whoever else comes from another site is not the page.
  const isLink = isPage && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  if ((site === 'cross-site' || site === 'same-site') && !isLink) return ELSEWHERE
  return undefined
}

/**
 * The same for what scrapers and load balancers ask, by whatever name they know: of them nothing is demanded, of browsers it is. Each sends one of
 * these headers with whatever a page asks, and no page can leave all of them out; Prometheus, curl and the probes of orchestrators send none.
 */
export function whyBrowserTurnedAway(headers: IncomingHttpHeaders, names: readonly string[]): string | undefined {
  const isBrowser = Object.keys(headers).some((name) => BROWSERS.includes(name) || name.startsWith('sec-fetch-'))
  return isBrowser ? whyTurnedAway(headers, names, true) : undefined
}

const BROWSERS = ['accept-language', 'origin']

const ELSEWHERE = 'Pages of other origins are not answered here.'

/** `director-1.example` of `Director-1.example:9095`; undefined where that is no host. */
function hostIn(text: string | undefined): string | undefined {
  const [, address, name] = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]+))(?::\d{1,5})?$/.exec(text ?? '') ?? []
  return address === undefined ? name?.toLowerCase().replace(/\.$/, '') : isIP(address) === 6 ? address : undefined
}

/** Browsers ask the local machine alone for names below localhost (RFC 6761, section 6.3). */
function isOwn(host: string, names: readonly string[]): boolean {
  return isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost') || names.includes(host)
}

function sameHost(origin: string, host: string | undefined): boolean {
  return origin === `http://${host}` || origin === `https://${host}`
}
