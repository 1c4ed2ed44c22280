import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { NameServer } from '../../model/dns-source-spec.ts'

/** What resolv.conf(5) says that concerns us. */
export interface ResolvConf {
  readonly servers: readonly NameServer[]
  /** Without dots at the end. */
  readonly search: readonly string[]
  /** A name with fewer dots is looked for in the search list first. */
  readonly ndots: number
}

const MAX_SERVERS = 3
const MAX_SEARCH = 32

/** Reads resolv.conf. Lines that make no sense are passed over, as the C library does; the last of search and domain counts. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: NameServer[] = []
  let search: string[] = []
  let ndots = 1
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    const [first = ''] = values
    if (key === 'nameserver' && isIP(first) !== 0) servers.push({ address: first, port: 53 })
    if (key === 'search' || key === 'domain') {
      search = (key === 'domain' ? [first] : values)
        .map((name) => name.toLowerCase().replace(/\.$/, ''))
        .filter((name) => name !== '')
    }
    if (key === 'options') {
      for (const option of values) {
        const digits = /^ndots:(\d+)$/.exec(option)?.[1]
        if (digits !== undefined) ndots = Math.min(Number(digits), 15)
      }
    }
  }
  return { servers: servers.slice(0, MAX_SERVERS), search: search.slice(0, MAX_SEARCH), ndots }
}

/** The names that a name may stand for, in the order in which they are asked for. One with a dot at the end stands for itself. */
export function candidates(name: string, search: readonly string[], ndots: number): string[] {
  const plain = name.toLowerCase().replace(/\.$/, '')
  if (name.endsWith('.')) return [plain]
  const within = search.map((domain) => `${plain}.${domain}`)
  const dots = plain.split('.').length - 1
  return dots >= ndots ? [plain, ...within] : [...within, plain]
}

/** How long the file is believed to be unchanged; milliseconds. */
const LOOK_AGAIN = 1_000

/** A resolv.conf that is read again when it has not been looked at for a second. */
export class ResolvConfFile {
  readonly #path: string
  #last: { readonly conf: Promise<ResolvConf>; readonly at: number } | undefined

  constructor(path = '/etc/resolv.conf') {
    this.#path = path
  }

  /** A file that is not there names no servers. */
  read(): Promise<ResolvConf> {
    const now = performance.now()
    if (this.#last === undefined || now - this.#last.at > LOOK_AGAIN) {
      const conf = readFile(this.#path, 'utf8').then(parseResolvConf, () => parseResolvConf(''))
      this.#last = { conf, at: now }
    }
    return this.#last.conf
  }
}
