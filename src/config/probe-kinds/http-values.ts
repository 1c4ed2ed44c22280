import { validateHeaderName, validateHeaderValue } from 'node:http'
import { accepted, type Grammar, hint, type Reading, refused, show, showAddress, wrongType } from '../../document/reading.ts'
import { line, secretLine } from '../../document/values/choice.ts'
import { integer } from '../../document/values/integer.ts'
import { formatEndpoint, parseAddress } from '../../model/address.ts'
import { HIDDEN } from '../../model/hidden.ts'
import type { HttpProbeSpec, StatusRange } from '../../model/probe-spec.ts'

/** What HTTP itself says in each request, or between us and the next hop alone. */
const NOT_OURS = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** With its query. */
export const httpPath: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^/' },
  read(raw) {
    const reading = secretLine('a path', 2000).read(raw)
    if (!reading.ok) return reading
    const path = reading.value
    // Its query may be a secret, and so is a login in what is a whole address.
    const [written = '', query] = path.split('?')
    const shown = written.replace(/\/\/[^/]*@/, `//${HIDDEN}@`)
    const rest = query === undefined ? '' : '?...'
    if (!path.startsWith('/'))
      return refused(
        `${show(`${shown}${rest}`)} does not begin with a slash`,
        // What is made of a value may be told of nobody: it may be a secret, and only as it stands is it known again.
        shown.includes('://') ? 'write what stands behind the host, from its slash on' : `write /${shown}${rest}`,
      )
    if (!/^[!-~]+$/.test(path))
      return refused(
        `${show(`${shown}${rest}`)} holds blanks or letters beyond ASCII`,
        'write %20 for a blank, and other letters in this way, too',
      )
    if (path.includes('#')) return refused(`${show(`${shown}${rest}`)} has a fragment, which is not sent`, 'remove all from # on')
    return accepted(path)
  },
}

const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/

/** `host` or `host:port`, as a Host header has it. */
export const hostHeader: Grammar<string> = {
  jsonSchema: { type: 'string', examples: ['www.example', 'www.example:8080'] },
  read(raw) {
    const reading = line('a host name', 260).read(raw)
    if (!reading.ok || (HOST.test(reading.value) && URL.canParse(`http://${reading.value}`))) return reading
    return refused(`${show(raw)} is not a host`, 'write a name, with its port where it has one, such as www.example:8080')
  },
}

/** The number is text in the model, because 1.1 is no amount. */
export const httpVersion: Grammar<HttpProbeSpec['version']> = {
  jsonSchema: { enum: [1.1, '1.1', 2, '2'] },
  read: (raw) =>
    ['1.1', '2'].includes(String(raw))
      ? accepted(String(raw) as '1.1' | '2')
      : refused(`${show(raw)} is no version`, 'write 1.1 or 2'),
}

const status = integer('a status', 100, 599)

/** `200`, `200-299`, or a list of such. */
export const statusRanges: Grammar<readonly StatusRange[]> = {
  jsonSchema: {
    anyOf: [
      { type: 'integer', minimum: 100, maximum: 599 },
      { type: 'string', pattern: '^\\d{3}-\\d{3}$' },
      { type: 'array', minItems: 1, items: { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^\\d{3}-\\d{3}$' }] } },
    ],
    examples: ['200-299'],
  },
  read(raw) {
    const written = Array.isArray(raw) ? raw : [raw]
    if (written.length === 0) return refused('the list of statuses is empty', 'write [200-299]')
    const ranges: StatusRange[] = []
    for (const one of written) {
      const range = readRange(one)
      if (!range.ok) return range
      ranges.push(range.value)
    }
    return accepted(ranges)
  },
}

function readRange(raw: unknown): Reading<StatusRange> {
  const [, first, last] = /^(\d{3})-(\d{3})$/.exec(typeof raw === 'string' ? raw : '') ?? []
  const from = status.read(first === undefined ? raw : Number(first))
  const to = status.read(last === undefined ? raw : Number(last))
  if (!from.ok)
    return typeof raw === 'string' && first === undefined ? refused(`${show(raw)} is no status`, 'write 200 or 200-299') : from
  if (!to.ok) return to
  if (to.value < from.value) return refused(`${show(raw)} ends before it begins`, `write ${to.value}-${from.value}`)
  return accepted({ from: from.value, to: to.value })
}

/** Names are as written; their values may be secrets and are not shown. */
export const headers: Grammar<Readonly<Record<string, string>>> = {
  jsonSchema: { type: 'object', additionalProperties: { type: 'string' } },
  read(raw) {
    const remedy = 'write { X-Probe: "yes" }'
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return wrongType(raw, 'a mapping', remedy, hint)
    const found: Record<string, string> = {}
    for (const [name, value] of Object.entries(raw)) {
      const problem = headerProblem(name, value)
      if (problem !== undefined) return problem
      if (Object.keys(found).some((other) => other.toLowerCase() === name.toLowerCase()))
        return refused(`the header ${name} is there twice`, 'remove one of the two')
      found[name] = value
    }
    return accepted(found)
  },
}

function headerProblem(name: string, value: unknown) {
  if (name.toLowerCase() === 'host') return refused('Host has a key of its own', 'write host: beside headers')
  if (NOT_OURS.has(name.toLowerCase())) return refused(`the header ${name} is set by the probe itself`, 'remove it')
  if (typeof value !== 'string') return refused(`the value of the header ${name} is no text`, 'put it in quotes')
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch {
    return refused(`the header ${show(name)} has a character that HTTP does not permit`, 'remove it from the name or the value')
  }
  return undefined
}

/** `http://10.0.0.5:3128`: a proxy that is reached without looking up a name. */
export const proxyAddress: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^http://', examples: ['http://10.0.0.5:3128'] },
  read(raw) {
    const remedy = 'write http:// with the address and port of the proxy, such as http://10.0.0.5:3128'
    const reading = readUrl(raw, 'the address of a proxy', remedy)
    if (!reading.ok) return reading
    const { protocol, hostname, port, pathname, search } = reading.value
    if (protocol !== 'http:') return refused(`a proxy cannot be reached by ${protocol}//`, remedy)
    const address = parseAddress(hostname.replace(/^\[|\]$/g, ''))
    if (address === undefined) return refused(`${show(hostname)} is a name, which probes do not look up`, remedy)
    if (pathname !== '/' || search !== '') return refused(`${showAddress(String(raw))} has something behind the port`, remedy)
    return accepted(`http://${formatEndpoint(address, port === '' ? 80 : Number(port))}`)
  },
}

/** What a backend that is a proxy is asked for. */
export const proxiedUrl: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^https?://', examples: ['http://www.example/'] },
  read(raw) {
    const remedy = 'write what the proxy is asked for, such as http://www.example/'
    const reading = readUrl(raw, 'an address', remedy)
    if (!reading.ok) return reading
    if (!['http:', 'https:'].includes(reading.value.protocol))
      return refused(`${reading.value.protocol}// cannot be asked for`, remedy)
    return accepted(reading.value.href)
  },
}

function readUrl(raw: unknown, what: string, remedy: string): Reading<URL> {
  const reading = secretLine(what, 2000).read(raw)
  if (!reading.ok) return reading
  const url = URL.parse(reading.value)
  if (url === null) return refused(`${showAddress(reading.value)} is not ${what}`, remedy)
  if (url.username !== '' || url.password !== '')
    return refused('the address holds a user name or password, which would appear in logs', 'remove it')
  if (url.hash !== '') return refused('what stands behind # is not sent', 'remove it')
  return accepted(url)
}
