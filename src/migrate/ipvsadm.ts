import { writeForwarding } from '../document/forwarding-schema.ts'
import { issuesError } from '../document/issue.ts'
import { ownEntry } from '../document/own-entry.ts'
import { formatDuration } from '../document/values/duration.ts'
import { formatEndpoint, type IpAddress, parseAddress } from '../model/address.ts'
import type { Forwarding } from '../model/destination.ts'
import {
  type Imported,
  type ImportedBackend,
  type ImportedService,
  type LeftOut,
  type Place,
  present,
  type Written,
} from './imported.ts'
import { type Option, optionsOf } from './ipvsadm-words.ts'
import { withPortThatCounts } from './ports.ts'

/** What the reader must know of a table that becomes a configuration. */
export const TABLE_HEAD = [
  'A table says nothing of health checks. Remove health_check from defaults, and TCP services are probed.',
  "Applied, it makes everything in it Pointsman's own, what others have made included. Delete what should stay theirs.",
]

/** What is put into the file that is not written in the table. */
export const TABLE_DEFAULTS: Written = { health_check: { type: 'none' } }

interface Service {
  readonly place: Place
  readonly written: Written
  readonly backends: ImportedBackend[]
}

/** What `ipvsadm -S` or `-Sn` wrote comes to, or commands of ipvsadm that make a table. Throws CONFIG_INVALID where no line is one. */
export function importIpvsadm(file: string, text: string): Imported {
  const table = new SavedTable(file)
  for (const [index, line] of text.split(/\r?\n/).entries()) table.line(line.trim(), index + 1)
  if (table.services.size === 0 && table.leftOut.length > 0 && table.leftOut.every(({ reason }) => reason === NO_LINE)) {
    const [first] = table.leftOut
    const remedy = 'write the table by `ipvsadm -Sn > FILE`'
    throw issuesError('CONFIG_INVALID', [{ file, line: first?.line ?? 1, path: '', problem: NO_LINE, remedy }])
  }
  return {
    head: ['Made by `pointsman import ipvsadm`. What could not be carried over was listed on standard error.', ...TABLE_HEAD],
    global: Object.keys(table.ipvs).length > 0 ? { ipvs: table.ipvs } : {},
    defaults: TABLE_DEFAULTS,
    places: table.places,
    services: [...table.services.values()].map((service): ImportedService => ({ ...service, notes: [] })),
    leftOut: table.leftOut,
  }
}

const NO_LINE = 'this is no line that ipvsadm -S writes'

class SavedTable {
  readonly services = new Map<string, Service>()
  readonly leftOut: LeftOut[] = []
  ipvs: Written = {}
  readonly places = new Map<string, Place>()
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  line(text: string, line: number): void {
    if (text === '' || text.startsWith('#')) return
    const place = { file: this.#file, line }
    const [command, ...options] = optionsOf(text) ?? []
    const reason = command === undefined ? NO_LINE : this.#command(command, new Options(options), place)
    if (reason !== undefined)
      this.leftOut.push({ ...place, directive: text, reason, remedy: 'write the table by `ipvsadm -Sn > FILE`' })
  }

  /** Why nothing could be made of it; undefined where something was. */
  #command(command: Option, options: Options, place: Place): string | undefined {
    switch (command.name) {
      case 'add-service':
        return this.#service(options, place)
      case 'add-server':
        return this.#server(options, place)
      case 'set':
        return this.#timeouts(command, place)
      case 'start-daemon':
        return this.#daemon(command, options, place)
      case 'clear':
        this.services.clear()
        return undefined
      case 'restore':
        return undefined
      default:
        return 'only what makes a table is read'
    }
  }

  #service(options: Options, place: Place): string | undefined {
    const identity = identityOf(options)
    if (typeof identity === 'string') return identity
    const name = nameOf(identity)
    const there = this.services.get(name)
    if (there !== undefined) return `this service is there already, by line ${there.place.line}; ipvsadm refuses it`
    const written = present({
      name,
      ...identity,
      scheduler: options.take('scheduler') ?? 'wlc',
      flags: flagsOf(options.take('sched-flags')),
      one_packet: options.has('ops') ? true : undefined,
      persistence: persistenceOf(options, identity),
    })
    // Left out, sh and mh would get their fallback.
    if (['sh', 'mh'].includes(String(written['scheduler']))) written['flags'] ??= []
    this.#others(options, place)
    this.services.set(name, { place, written, backends: [] })
    return undefined
  }

  #server(options: Options, place: Place): string | undefined {
    const identity = identityOf(options)
    if (typeof identity === 'string') return identity
    const service = this.services.get(nameOf(identity))
    if (service === undefined) return 'no line before it adds its service'
    const forwarding = forwardingOf(options)
    const address = endpointOf(options.take('real-server') ?? '', String(identity['listen'] ?? ':0'))
    if (address === undefined) return NAMES
    const written = present({
      address,
      weight: Number(options.take('weight') ?? 1),
      forwarding: forwarding.method === 'nat' ? undefined : writeForwarding(forwarding),
      upper_threshold: numberOf(options.take('u-threshold')),
      lower_threshold: numberOf(options.take('l-threshold')),
    })
    this.#others(options, place)
    service.backends.push(withPortThatCounts({ place, written, notes: [] }, identity['listen'], written['forwarding']))
    return undefined
  }

  #timeouts({ value = '' }: Option, place: Place): string | undefined {
    const [tcp, fin, udp] = value.split(' ').map(Number)
    if (![tcp, fin, udp].every(Number.isInteger)) return '--set has three numbers'
    const text = (seconds: number | undefined) => (seconds ? formatDuration(seconds * 1000) : undefined)
    this.#ofIpvs(present({ tcp_timeout: text(tcp), tcp_fin_timeout: text(fin), udp_timeout: text(udp) }), place)
    return undefined
  }

  #daemon({ value }: Option, options: Options, place: Place): undefined {
    const before = Array.isArray(this.ipvs['sync_daemons']) ? (this.ipvs['sync_daemons'] as unknown[]) : []
    const daemon = present({
      role: value,
      interface: options.take('mcast-interface'),
      id: numberOf(options.take('syncid')),
      maximum_length: numberOf(options.take('sync-maxlen')),
      group: options.take('mcast-group'),
      port: numberOf(options.take('mcast-port')),
      ttl: numberOf(options.take('mcast-ttl')),
    })
    this.#others(options, place)
    this.#ofIpvs({ sync_daemons: [...before, daemon] }, place)
  }

  #ofIpvs(written: Written, place: Place): void {
    this.ipvs = { ...this.ipvs, ...written }
    for (const key of Object.keys(written)) this.places.set(`global.ipvs.${key}`, place)
  }

  #others(options: Options, place: Place): void {
    for (const { written } of options.others())
      this.leftOut.push({
        ...place,
        directive: written,
        reason: 'nothing is known of this option here',
        remedy: 'look it up in ipvsadm(8)',
      })
  }
}

/** Options that are taken one by one. */
class Options {
  readonly #options: readonly Option[]
  readonly #taken = new Set<string>(['numeric', 'exact', 'ipv6'])

  constructor(options: readonly Option[]) {
    this.#options = options
  }

  take(name: string): string | undefined {
    this.#taken.add(name)
    return this.#options.find((option) => option.name === name)?.value
  }

  has(name: string): boolean {
    this.#taken.add(name)
    return this.#options.some((option) => option.name === name)
  }

  others(): readonly Option[] {
    return this.#options.filter(({ name }) => !this.#taken.has(name))
  }
}

const NAMES = 'names of hosts and ports are not looked up'

/** Names of ports that `ipvsadm -S` without `-n` writes most. */
const PORTS: Readonly<Record<string, number>> = {
  ftp: 21,
  ssh: 22,
  smtp: 25,
  domain: 53,
  http: 80,
  ntp: 123,
  imap2: 143,
  ldap: 389,
  https: 443,
  submission: 587,
  ldaps: 636,
  imaps: 993,
  mysql: 3306,
  postgresql: 5432,
  'http-alt': 8080,
}

/** The keys that say what clients connect to, or why they cannot be read. */
function identityOf(options: Options): Written | string {
  const mark = options.take('fwmark-service')
  if (mark !== undefined) {
    const ipv6 = options.has('ipv6')
    return /^\d+$/.test(mark) ? { fwmark: Number(mark), ...(ipv6 && { family: 'ipv6' }) } : 'the firewall mark is no number'
  }
  for (const protocol of ['tcp', 'udp', 'sctp']) {
    const text = options.take(`${protocol}-service`)
    if (text === undefined) continue
    const listen = endpointOf(text, ':0')
    return listen === undefined ? NAMES : { listen, protocol }
  }
  return 'it names no service'
}

function nameOf(identity: Written): string {
  if (identity['fwmark'] !== undefined) return `fwmark/${String(identity['fwmark'])}/${String(identity['family'] ?? 'ipv4')}`
  return `${String(identity['protocol'])}/${String(identity['listen'])}`
}

/** `10.0.0.1:80`, `[2001:db8::1]:80`, `10.0.0.1:http`; without a port that of the service. */
function endpointOf(text: string, service: string): string | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+|[^:]*:[^:]*:.*?))(?::(\w[\w-]*))?$/.exec(text) ?? []
  const address = parseAddress(bracketed ?? plain ?? '') as IpAddress | undefined
  const usual = service.slice(service.lastIndexOf(':') + 1)
  const number = port === undefined ? Number(usual) : /^\d+$/.test(port) ? Number(port) : ownEntry(PORTS, port)
  return address === undefined || number === undefined ? undefined : formatEndpoint(address, number)
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text === '0' ? undefined : Number(text)
}

function flagsOf(text: string | undefined): string[] | undefined {
  return text?.split(',').filter((flag) => flag !== '')
}

/** ipvsadm takes 300 seconds where no time is written. */
function persistenceOf(options: Options, identity: Written): unknown {
  const mask = options.take('netmask')
  const engine = options.take('pe')
  if (!options.has('persistent')) return undefined
  const timeout = formatDuration(Number(options.take('persistent') ?? 300) * 1000)
  if (mask === undefined && engine === undefined) return timeout
  const listen = String(identity['listen'] ?? '')
  const ipv6 = identity['family'] === 'ipv6' || listen.startsWith('[')
  const width = mask === undefined ? {} : ipv6 ? { prefix_length: Number(mask) } : { netmask: mask }
  return { timeout, ...width, ...(engine !== undefined && { engine }) }
}

/** Direct routing where nothing is written. */
function forwardingOf(options: Options): Forwarding {
  const [masquerading, , ipip] = ['masquerading', 'gatewaying', 'ipip'].map((name) => options.has(name))
  const type = options.take('tun-type')
  const port = Number(options.take('tun-port') ?? 0)
  const remote = options.has('tun-remcsum')
  const outer = options.has('tun-csum')
  options.has('tun-nocsum')
  if (masquerading) return { method: 'nat' }
  if (!ipip) return { method: 'direct' }
  if (type === 'gue')
    return { method: 'tunnel', tunnel: { type, port, checksum: remote ? 'remote-checksum' : outer ? 'checksum' : 'none' } }
  if (type === 'gre') return { method: 'tunnel', tunnel: { type, checksum: outer ? 'checksum' : 'none' } }
  return { method: 'tunnel', tunnel: { type: 'ipip' } }
}
