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
  name?: Directive
  weight?: number
  quorum?: number
  hysteresis?: number
  sorry?: { readonly directive: Directive; readonly address: IpAddress; readonly port: number | undefined }
  quorumUp?: QuorumScript
  quorumDown?: QuorumScript
}

/** Seconds, where a service is persistent and no time is said. */
const USUAL_PERSISTENCE = 360

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

/** What a virtual server may rest on outside its own block. */
interface Around extends Pick<Surroundings, 'scriptUser' | 'tls'> {
  /** What more than one virtual server is called: SNMP may have a name twice. */
  readonly sharedNames: ReadonlySet<string>
}

/** The services that a `virtual_server` comes to, one for each thing that clients connect to. */
export function readVirtualServer(
  directive: Directive,
  targets: readonly Target[],
  around: Around,
  notes: LeftOut[],
): ReadServer {
  const timing: Timing = {}
  const found: Found = { flags: [] }
  const block = (directive.block ?? []).filter((each) => !takeTiming(each, timing))
  const servers = block.filter(({ name }) => name === 'real_server')
  for (const each of block) if (!servers.includes(each) && !take(each, found)) notes.push(unknown(each, KNOWN))
  const usual = targets.find((target) => target.kind === 'address')?.port
  const usualWeight = found.weight ?? 1
  const read = servers.flatMap(
    (each) => readRealServer(each, { port: usual, weight: usualWeight }, { ...around, timing }, notes) ?? [],
  )
  const { name } = found
  if (name !== undefined && (targets.length > 1 || around.sharedNames.has(String(name.words[0])))) {
    notes.push(leftOut(name, 'several services would have the name', 'name them as you like, each in its own way'))
    delete found.name
  }
  if (found.persistence === undefined && targets.some((target) => target.kind === 'address' && target.port === 0))
    found.persistence = USUAL_PERSISTENCE
  const services = targets.map((target) => toService({ directive, target, found, servers: read }, notes))
  return { services, quorumUp: found.quorumUp, quorumDown: found.quorumDown }
}

/** False where nothing can be made of it. */
function take(directive: Directive, found: Found): boolean {
  const { name, words, block } = directive
  const [word] = words
  if (block !== undefined) return false
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
      return put({ persistence: word === undefined ? USUAL_PERSISTENCE : wholeNumber(word) } as Partial<Found>)
    case 'persistence_granularity':
      return put({ granularity: word } as Partial<Found>)
    case 'persistence_engine':
      return put({ engine: word } as Partial<Found>)
    case 'protocol':
      return put({ protocol: word?.toLowerCase() } as Partial<Found>)
    case 'ip_family':
      return put({ family: word === 'inet6' ? 'ipv6' : 'ipv4' })
    case 'snmp_name':
      return put({ name: word === undefined ? undefined : directive } as Partial<Found>)
    case 'weight':
      return put({ weight: wholeNumber(word) } as Partial<Found>)
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
  if (identity.kind === 'address' && found.protocol === undefined)
    notes.push('It names no protocol, which is UDP for keepalived and the kernel. Write protocol: tcp if that was meant.')
  if (found.sorry !== undefined && (found.quorum ?? 1) > 1)
    notes.push('keepalived uses the sorry server while the quorum is lost; here it answers while no backend serves.')
  const written = present({
    name: found.name?.words[0] ?? serviceKey(identity),
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
    quorum: quorumOf(found, servers, notes),
    sorry_server: found.sorry && formatEndpoint(found.sorry.address, sorryPort(found.sorry.port, method, target)),
  })
  return { place: directive.place, written, backends, notes }
}

function portIn(endpoint: unknown): number {
  return Number(String(endpoint).split(':').at(-1))
}

function identityOf(target: Target, found: Found, servers: readonly RealServer[]): ServiceIdentity {
  const { protocol, family } = found
  if (target.kind === 'address') {
    // Another word is refused by the validation, with its reason. The kernel takes a service without a protocol for UDP.
    return { kind: 'address', protocol: (protocol ?? 'udp') as 'udp', address: target.address, port: target.port }
  }
  return { kind: 'fwmark', fwmark: target.fwmark, family: target.family ?? family ?? familyOfMark(found, servers) }
}

/** What the granularity is written in, else what servers without a tunnel are of, else all others; IPv4 where these differ. */
function familyOfMark({ granularity, method }: Found, servers: readonly RealServer[]): 'ipv4' | 'ipv6' {
  if (granularity !== undefined) return granularity.includes('.') ? 'ipv4' : 'ipv6'
  const isTunnel = (server: RealServer) => !['nat', 'direct'].includes(String(server.method ?? method ?? 'nat'))
  const plain = servers.find((server) => !isTunnel(server))
  const families = new Set((plain === undefined ? servers : [plain]).map(({ address }) => familyOf(address)))
  return families.size === 1 && families.has('ipv6') ? 'ipv6' : 'ipv4'
}

function persistenceOf({ persistence, granularity, engine }: Found, identity: ServiceIdentity): unknown {
  if (persistence === undefined && granularity === undefined && engine === undefined) return undefined
  if (persistence === 0) return undefined
  const timeout = formatDuration((persistence ?? USUAL_PERSISTENCE) * 1000)
  if (granularity === undefined && engine === undefined) return timeout
  const ipv6 = serviceFamily(identity) === 'ipv6'
  const width = granularity === undefined ? {} : ipv6 ? { prefix_length: Number(granularity) } : { netmask: granularity }
  return { timeout, ...width, ...(engine !== undefined && { engine }) }
}

/** keepalived lowers what could never be reached, or never be lost. */
function quorumOf(found: Found, servers: readonly RealServer[], notes: string[]): Written | undefined {
  const { quorum = 1, hysteresis = 0, quorumUp, quorumDown } = found
  if ([found.quorum, found.hysteresis, quorumUp, quorumDown].every((each) => each === undefined)) return undefined
  const whole = servers.reduce((sum, { weight }) => sum + weight, 0)
  const min = Math.max(1, Math.min(quorum, whole))
  const tolerated = Math.min(hysteresis, min - 1)
  if (min < quorum) notes.push(`keepalived lowers the quorum from ${quorum} to ${min}, which is all that the servers weigh.`)
  if (tolerated < hysteresis)
    notes.push(`keepalived lowers the hysteresis from ${hysteresis} to ${tolerated}, one below the quorum.`)
  return { min, ...(tolerated > 0 && { hysteresis: tolerated }), by: 'weight' }
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
