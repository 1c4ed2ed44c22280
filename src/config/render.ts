import { Document, isMap, type Node, YAMLMap, YAMLSeq } from 'yaml'
import { writeForwarding } from '../document/forwarding-schema.ts'
import type { Issue } from '../document/issue.ts'
import { formatDuration } from '../document/values/duration.ts'
import { addressFromBytes, formatEndpoint } from '../model/address.ts'
import { type Destination, type Forwarding, sameForwarding } from '../model/destination.ts'
import type { IpvsTable, ServiceReading, SyncDaemon } from '../model/ipvs-table.ts'
import {
  type Persistence,
  type ServiceKey,
  serviceFamily,
  serviceKey,
  singleClientMask,
  type VirtualService,
} from '../model/virtual-service.ts'
import type { IpvsSettings } from './configuration.ts'
import { flagNames } from './flags.ts'
import { loadConfiguration } from './load.ts'

export interface RenderOptions {
  /** Names of services that are known; the others get their key for a name. */
  readonly names?: ReadonlyMap<ServiceKey, string>
  /** Timeouts and synchronisation daemons, where they are to be shown too. No daemon is `[]`. */
  readonly ipvs?: IpvsSettings
}

type Written = Record<string, unknown>

/** What the reader must know before he applies it. */
const HEAD = ` The IPVS table of the kernel as a configuration of Pointsman.
 Applied, it makes everything in it Pointsman's own, what others have made included.`

/**
 * The kernel's table as a configuration in YAML that loads back to the same services. What is off is said to be off, so
 * that an attribute that somebody sets later does not outlive the table's return to this state. What a configuration
 * cannot say, because loading would refuse it, appears as a comment with the reason.
 */
export function renderConfiguration(table: IpvsTable, options: RenderOptions = {}): string {
  const services = new YAMLSeq()
  const yaml = new Document<Node, true>(new YAMLMap())
  yaml.commentBefore = HEAD
  const top = yaml.contents as unknown as YAMLMap
  const ipvs = writeIpvs(options.ipvs ?? {})
  if (ipvs !== undefined) top.set('global', yaml.createNode({ ipvs }))
  top.set('services', services)
  let leftOut: string[] = []
  const taken = new Set<string>()
  for (const [key, reading] of table) {
    const known = options.names?.get(key)
    const name = known === undefined || taken.has(known) ? key : known
    taken.add(name)
    const { node, reasons } = renderService(yaml, reading, name)
    leftOut.push(...reasons)
    if (node === undefined) continue
    if (leftOut.length > 0) node.commentBefore = asComment(leftOut)
    leftOut = []
    services.add(node)
  }
  if (services.items.length === 0) services.flow = true
  const text = yaml.toString({ lineWidth: 0, flowCollectionPadding: true })
  return leftOut.length === 0 ? text : `${text}${leftOut.map((line) => `# ${oneLine(line)}\n`).join('')}`
}

interface RenderedService {
  readonly node: YAMLMap | undefined
  /** Sentences about a service that is left out. */
  readonly reasons: readonly string[]
}

function renderService(yaml: Document<Node, true>, reading: ServiceReading, name: string): RenderedService {
  const { service } = reading
  const destinations = [...reading.destinations.values()].map((entry) => entry.destination)
  const common = commonForwarding(destinations)
  const head = writeService(service, name, common)
  const backends = destinations.map((destination) => writeDestination(destination, common))
  const refusals = refusalsOf({ ...head, backends })
  if (refusals.ofService.length > 0) {
    const count = `${destinations.length} ${destinations.length === 1 ? 'backend' : 'backends'}`
    const problems = refusals.ofService.map((issue) => issue.problem).join('; ')
    return {
      node: undefined,
      reasons: [`left out: ${serviceKey(service.identity)} (${service.scheduler}, ${count}): ${problems}`],
    }
  }
  const node = new YAMLMap()
  for (const [key, value] of Object.entries(head)) node.set(key, yaml.createNode(value, { flow: true }))
  node.set('backends', renderBackends(yaml, destinations, backends, refusals.ofBackends))
  return { node, reasons: [] }
}

function renderBackends(
  yaml: Document<Node, true>,
  destinations: readonly Destination[],
  written: readonly Written[],
  refusals: ReadonlyMap<number, readonly Issue[]>,
): YAMLSeq {
  const list = new YAMLSeq()
  let comments: string[] = []
  for (const [index, destination] of destinations.entries()) {
    const issues = refusals.get(index)
    if (issues !== undefined) {
      const endpoint = formatEndpoint(destination.address, destination.port)
      comments.push(`left out: ${endpoint} (weight ${destination.weight}): ${issues.map((issue) => issue.problem).join('; ')}`)
      continue
    }
    const node = yaml.createNode(written[index], { flow: true })
    if (comments.length > 0 && isMap(node)) node.commentBefore = asComment(comments)
    comments = []
    list.add(node)
  }
  if (list.items.length === 0) list.flow = true
  if (comments.length > 0) list.comment = asComment(comments)
  return list
}

function asComment(lines: readonly string[]): string {
  return lines.map((line) => ` ${oneLine(line)}`).join('\n')
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}

/** What loading says against a service as it would be written: the reasons of every comment. */
function refusalsOf(service: Written): {
  readonly ofService: readonly Issue[]
  readonly ofBackends: ReadonlyMap<number, readonly Issue[]>
} {
  const result = loadConfiguration({ path: '-', bytes: Buffer.from(JSON.stringify({ services: [service] })) })
  const ofService: Issue[] = []
  const ofBackends = new Map<number, Issue[]>()
  for (const issue of result.ok ? [] : result.issues) {
    const index = /^services\[0\]\.backends\[(\d+)\]/.exec(issue.path)?.[1]
    if (index === undefined) ofService.push(issue)
    else ofBackends.set(Number(index), [...(ofBackends.get(Number(index)) ?? []), issue])
  }
  return { ofService, ofBackends }
}

function writeService(service: VirtualService, name: string, forwarding: Forwarding | undefined): Written {
  const { identity, scheduler, flags, onePacket, persistence } = service
  return {
    // Whatever it is called: it is no parameter.
    name: name.replaceAll('${', () => '$${'),
    ...(identity.kind === 'fwmark'
      ? { fwmark: identity.fwmark, family: identity.family }
      : { listen: formatEndpoint(identity.address, identity.port), protocol: identity.protocol }),
    scheduler,
    flags: flagNames(flags, scheduler),
    one_packet: onePacket,
    persistence: persistence === undefined ? 'none' : writePersistence(persistence, serviceFamily(identity)),
    ...(forwarding === undefined || forwarding.method === 'nat' ? {} : { forwarding: writeForwarding(forwarding) }),
    // For all backends that have none of their own.
    upper_threshold: 0,
    lower_threshold: 0,
  }
}

function writePersistence({ timeout, mask, engine }: Persistence, family: 'ipv4' | 'ipv6'): string | Written {
  const duration = formatDuration(timeout * 1000)
  if (mask === singleClientMask(family) && engine === undefined) return duration
  const narrow = mask === singleClientMask(family)
  const width = family === 'ipv6' ? { prefix_length: mask } : { netmask: netmaskText(mask) }
  return { timeout: duration, ...(narrow ? {} : width), ...(engine === undefined ? {} : { engine }) }
}

function netmaskText(mask: number): string {
  return addressFromBytes(Uint8Array.of(mask >>> 24, mask >>> 16, mask >>> 8, mask))
}

function writeDestination(destination: Destination, common: Forwarding | undefined): Written {
  const { address, port, forwarding, weight, upperThreshold, lowerThreshold } = destination
  return {
    address: formatEndpoint(address, port),
    weight,
    ...(common === undefined ? { forwarding: writeForwarding(forwarding) } : {}),
    ...(upperThreshold === 0 ? {} : { upper_threshold: upperThreshold }),
    ...(lowerThreshold === 0 ? {} : { lower_threshold: lowerThreshold }),
  }
}

/** The forwarding that all destinations share. */
function commonForwarding(destinations: readonly Destination[]): Forwarding | undefined {
  const [first] = destinations
  if (first === undefined || first.forwarding.method === 'unknown') return undefined
  return destinations.every((other) => sameForwarding(other.forwarding, first.forwarding)) ? first.forwarding : undefined
}

function writeIpvs({ timeouts = {}, syncDaemons }: IpvsSettings): Written | undefined {
  const seconds = (value: number | undefined, key: string) =>
    value === undefined || value === 0 ? {} : { [key]: formatDuration(value * 1000) }
  const written: Written = {
    ...seconds(timeouts.tcp, 'tcp_timeout'),
    ...seconds(timeouts.tcpFin, 'tcp_fin_timeout'),
    ...seconds(timeouts.udp, 'udp_timeout'),
    ...(syncDaemons === undefined ? {} : { sync_daemons: syncDaemons.map(writeSyncDaemon) }),
  }
  return Object.keys(written).length === 0 ? undefined : written
}

/** A zero is the kernel's own choice and is left out. */
function writeSyncDaemon({ role, interface: device, id, maximumLength, group, port, ttl }: SyncDaemon): Written {
  return {
    role,
    interface: device,
    id,
    ...(maximumLength ? { maximum_length: maximumLength } : {}),
    ...(group === undefined ? {} : { group }),
    ...(port ? { port } : {}),
    ...(ttl ? { ttl } : {}),
  }
}
