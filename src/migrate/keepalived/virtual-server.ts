import { formatDuration } from '../../document/values/duration.ts'
import { familyOf, formatEndpoint, type IpAddress } from '../../model/address.ts'
import { type ServiceIdentity, serviceFamily, serviceKey } from '../../model/virtual-service.ts'
import { identityKeys } from '../identity.ts'
import { type ImportedService, type LeftOut, present, type Written } from '../imported.ts'
import type { Target } from './groups.ts'
import { type Counterparts, leftOut, unknown } from './notes.ts'
import type { Surroundings } from './options.ts'
import { poolChecks } from './pool-checks.ts'
import { backendOf, portOf, type RealServer, readRealServer } from './real-server.ts'
import { type Timing, takeTiming } from './timing.ts'
import type { Directive } from './tree.ts'
import { addressOf, commandOf, forwarding, isOn, wholeNumber } from './values.ts'

/** A script of a virtual server, and where it stands. */
export interface QuorumScript {
  readonly directive: Directive
  readonly command: readonly string[]
}

export interface ReadServer {
  readonly services: readonly ImportedService[]
  readonly quorumUp: QuorumScript | undefined
  readonly quorumDown: QuorumScript | undefined
}

/** What a block says, under our names. */
interface Found {
  scheduler?: string
  readonly flags: string[]
  onePacket?: boolean
  method?: unknown
  persistence?: number
  granularity?: string
  engine?: string
  protocol?: string
  family?: 'ipv4' | 'ipv6'
  name?: string
  quorum?: number
  hysteresis?: number
  sorry?: { readonly directive: Directive; readonly address: IpAddress; readonly port: number | undefined }
  quorumUp?: QuorumScript
  quorumDown?: QuorumScript
}

const FLAGS = ['flag-1', 'flag-2', 'flag-3', 'sh-port', 'sh-fallback', 'mh-port', 'mh-fallback']

const KNOWN: Counterparts = {
  omega: [
    'when Pointsman ends it leaves services, and tells no program of a lost quorum',
    'write on_exit in global, or tell the program in the unit file',
  ],
  ha_suspend: ['probes do not wait for an address', 'do nothing, or run Pointsman on the active host alone'],
  smtp_alert: ['no mail is sent', 'write global: { hooks: { webhook: ... } }, or alert on the metrics'],
  warmup: ['first probes are spread over the interval by themselves', 'do nothing, or write jitter'],
  nat_mask: ['IPVS has known no mask for NAT since Linux 2.2', 'do nothing'],
  sorry_server_inhibit: ['a sorry server that is not needed is out of the table', 'do nothing'],
  sorry_server_lvs_method: [
    'a sorry server is reached as the backends are',
    'write forwarding of the service so that it suits both',
  ],
  backup_real_server: [
    'backends written in the configuration have no priorities',
    'name them in a source that knows priorities, such as dns_srv',
  ],
  failover_threshold: [
    'a pool fails over when nobody of it is up',
    'write the backup servers into a source that knows priorities',
  ],
  failover_up: ['programs are told of all services', 'write global: { hooks: { exec: [...], on: [pool] } }'],
  failover_down: ['programs are told of all services', 'write global: { hooks: { exec: [...], on: [pool] } }'],
}

/** The services that a `virtual_server` comes to, one for each thing that clients connect to. */
export function readVirtualServer(
  directive: Directive,
  targets: readonly Target[],
  around: Pick<Surroundings, 'scriptUser' | 'tls'>,
  notes: LeftOut[],
): ReadServer {
  const timing: Timing = {}
  const found: Found = { flags: [] }
  const block = (directive.block ?? []).filter((each) => !takeTiming(each, timing))
  const servers = block.filter(({ name }) => name === 'real_server')
  for (const each of block) if (!servers.includes(each) && !take(each, found)) notes.push(unknown(each, KNOWN))
  const usual = targets.find((target) => target.kind === 'address')?.port
  const read = servers.flatMap((each) => readRealServer(each, usual, { ...around, timing }, notes) ?? [])
  const services = targets.map((target) => toService({ directive, target, found, servers: read }, notes))
  return { services, quorumUp: found.quorumUp, quorumDown: found.quorumDown }
}

/** False where nothing can be made of it. */
function take(directive: Directive, found: Found): boolean {
  const { name, words } = directive
  const [word] = words
  if (FLAGS.includes(name)) return found.flags.push(name) > 0
  const put = (keys: Partial<Found>) => {
    if (Object.values(keys).some((value) => value === undefined)) return false
    Object.assign(found, keys)
    return true
  }
  switch (name) {
    case 'lb_algo':
    case 'lvs_sched':
      return put({ scheduler: word } as Partial<Found>)
    case 'lb_kind':
    case 'lvs_method':
      return put({ method: forwarding(words) })
    case 'ops':
      return put({ onePacket: isOn(directive) })
    case 'persistence_timeout':
      return put({ persistence: word === undefined ? 360 : wholeNumber(word) } as Partial<Found>)
    case 'persistence_granularity':
      return put({ granularity: word } as Partial<Found>)
    case 'persistence_engine':
      return put({ engine: word } as Partial<Found>)
    case 'protocol':
      return put({ protocol: word?.toLowerCase() } as Partial<Found>)
    case 'ip_family':
      return put({ family: word === 'inet6' ? 'ipv6' : 'ipv4' })
    case 'snmp_name':
      return put({ name: word } as Partial<Found>)
    case 'quorum':
      return put({ quorum: wholeNumber(word) } as Partial<Found>)
    case 'hysteresis':
      return put({ hysteresis: wholeNumber(word) } as Partial<Found>)
    case 'quorum_up':
      return put({ quorumUp: scriptOf(directive) } as Partial<Found>)
    case 'quorum_down':
      return put({ quorumDown: scriptOf(directive) } as Partial<Found>)
    case 'sorry_server':
      return put({ sorry: sorryOf(directive) } as Partial<Found>)
    default:
      return false
  }
}

/** The user and group behind the script are not part of it. */
function scriptOf(directive: Directive): QuorumScript | undefined {
  const [script] = directive.words
  return script === undefined ? undefined : { directive, command: commandOf(script) }
}

function sorryOf(directive: Directive): Found['sorry'] {
  const address = addressOf(directive.words[0])
  const port = wholeNumber(directive.words[1])
  return address === undefined ? undefined : { directive, address, port }
}

interface Parts {
  readonly directive: Directive
  readonly target: Target
  readonly found: Found
  readonly servers: readonly RealServer[]
}

function toService({ directive, target, found, servers }: Parts, left: LeftOut[]): ImportedService {
  const { method = 'nat', scheduler, flags } = found
  const identity = identityOf(target, found, servers)
  const backends = servers.map((server) => backendOf(server, method, target))
  const checked = servers.map((server, at) => ({
    name: formatEndpoint(server.address, portOf(server.port, target)),
    address: server.address,
    port: portOf(server.port, target),
    backendPort: portIn(backends[at]?.written['address']),
    checks: server.checks,
  }))
  const checks = poolChecks(checked, left)
  const asked = Object.keys(checks.written).length > 0
  const notes = [...checks.notes]
  if (found.sorry !== undefined && (found.quorum ?? 1) > 1)
    notes.push('keepalived uses the sorry server while the quorum is lost; here it answers while no backend serves.')
  const written = present({
    name: found.name ?? serviceKey(identity),
    ...identityKeys(identity),
    scheduler,
    // keepalived sets no flag by itself, and left out sh and mh would get their fallback.
    flags: flags.length > 0 || scheduler === 'sh' || scheduler === 'mh' ? flags : undefined,
    one_packet: found.onePacket,
    persistence: persistenceOf(found, identity),
    forwarding: method === 'nat' ? undefined : method,
    ...checks.written,
    ...(!asked && identity.kind === 'address' && identity.protocol === 'tcp' && { health_check: { type: 'none' } }),
    on_down: asked ? onDown(servers, left) : undefined,
    quorum: quorumOf(found),
    sorry_server: found.sorry && formatEndpoint(found.sorry.address, sorryPort(found.sorry.port, method, target)),
  })
  return { place: directive.place, written, backends, notes }
}

function portIn(endpoint: unknown): number {
  return Number(String(endpoint).split(':').at(-1))
}

function identityOf(target: Target, { protocol, family }: Found, servers: readonly RealServer[]): ServiceIdentity {
  if (target.kind === 'address') {
    // Another word is refused by the validation, with its reason.
    return { kind: 'address', protocol: (protocol ?? 'tcp') as 'tcp', address: target.address, port: target.port }
  }
  const [first] = servers
  const usual = first === undefined ? 'ipv4' : familyOf(first.address)
  return { kind: 'fwmark', fwmark: target.fwmark, family: target.family ?? family ?? usual }
}

function persistenceOf({ persistence, granularity, engine }: Found, identity: ServiceIdentity): unknown {
  if (persistence === undefined && granularity === undefined && engine === undefined) return undefined
  if (persistence === 0) return undefined
  const timeout = formatDuration((persistence ?? 360) * 1000)
  if (granularity === undefined && engine === undefined) return timeout
  const ipv6 = serviceFamily(identity) === 'ipv6'
  const width = granularity === undefined ? {} : ipv6 ? { prefix_length: Number(granularity) } : { netmask: granularity }
  return { timeout, ...width, ...(engine !== undefined && { engine }) }
}

function quorumOf({ quorum, hysteresis, quorumUp, quorumDown }: Found): Written | undefined {
  if ([quorum, hysteresis, quorumUp, quorumDown].every((each) => each === undefined)) return undefined
  return { min: quorum ?? 1, ...(hysteresis !== undefined && hysteresis !== 0 && { hysteresis }), by: 'weight' }
}

/** keepalived takes a server that fails out of the table, or sets its weight to 0 where inhibit_on_failure says so. */
function onDown(servers: readonly RealServer[], left: LeftOut[]): 'zero' | 'remove' {
  const inhibited = servers.filter(({ inhibit }) => inhibit)
  if (inhibited.length === 0) return 'remove'
  if (inhibited.length === servers.length) return 'zero'
  for (const { directive } of servers.filter(({ inhibit }) => !inhibit))
    left.push(
      leftOut(
        directive,
        'it is without inhibit_on_failure, which others of the pool have, and on_down counts for all backends of a service',
        'write on_down: remove if that is wanted of all of them',
      ),
    )
  return 'zero'
}

function sorryPort(port: number | undefined, method: unknown, target: Target): number {
  return method !== 'nat' && target.kind === 'address' ? target.port : portOf(port, target)
}
