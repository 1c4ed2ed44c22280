import type { Document } from '../document/document.ts'
import { isMapping } from '../document/reading.ts'
import { formatEndpoint, type IpAddress, parseAddress } from '../model/address.ts'
import { Fields, type Keys } from './fields.ts'
import { type Imported, type ImportedBackend, type ImportedService, type LeftOut, present, type Written } from './imported.ts'
import { kglbCheck, spelled } from './kglb-check.ts'
import { withPortThatCounts } from './ports.ts'

const ROUTING = [
  'no route is announced by this configuration',
  'keep the speaker of BGP, and let it ask /readyz or a quorum hook',
] as const

const OF_BALANCER: Keys = {
  dynamicRouting: ROUTING,
  dynamic_routing: ROUTING,
  setupName: ['services have one name', 'do nothing'],
  setup_name: ['services have one name', 'do nothing'],
  configureReals: ['it does nothing in kglb either', 'do nothing'],
  configure_reals: ['it does nothing in kglb either', 'do nothing'],
}

/** What a configuration of kglb comes to: the JSON form of its ControlPlaneConfig (config.proto). */
export function importKglb(document: Document): Imported {
  const left: LeftOut[] = []
  const top = new Fields(document, [], document.value)
  const names = new Set<string>()
  const services = top.list('balancers').flatMap((balancer) => readBalancer(balancer, names, left) ?? [])
  left.push(...top.others({}))
  const asked = services.some(({ written }) => written['on_down'] !== undefined)
  return {
    head: [
      'Made by `pointsman import kglb`. What could not be carried over was listed on standard error.',
      'kglb places the addresses of its services on lo; this configuration does not.',
      'kglb removes every service that it does not name; here those of others are left alone.',
      ...(asked ? ['kglb believes every failure (max_ejection: 100%) until all fail; then all serve, as in panic here.'] : []),
    ],
    global: {},
    defaults: asked ? { max_ejection: '100%' } : {},
    services,
    leftOut: left,
  }
}

function readBalancer(fields: Fields, names: Set<string>, left: LeftOut[]): ImportedService | undefined {
  const outer = spelled(fields, 'lbService')
  const service = spelled(outer, 'ipvsService')
  const identity = identityOf(service)
  const given = fields.text('name') ?? ''
  const routing = spelled(fields, 'upstreamRouting')
  const method = routing.take(routing.has('forward_method') ? 'forward_method' : 'forwardMethod')
  const forwarding = method === 'MASQ' || method === 1 ? 'nat' : 'tunnel'
  const weight = Number(fields.take('weightUp') ?? fields.take('weight_up') ?? 1000)
  const throughVip = fields.take('enableFwmarks') === true || fields.take('enable_fwmarks') === true
  const check = kglbCheck(spelled(fields, 'upstreamChecker'), throughVip, left)
  if (identity === undefined) {
    const reason = 'it names neither an address with a port nor a firewall mark'
    left.push({ ...fields.place(), directive: `balancer ${given}`, reason, remedy: 'write the service that is meant' })
    return undefined
  }
  const name = names.has(given) ? `${given} ${String(identity['listen'] ?? identity['fwmark'])}` : given
  names.add(name)
  const tunnel = forwarding === 'nat' ? undefined : forwarding
  const upstreams = readUpstreams(spelled(fields, 'upstreamDiscovery'), left)
  const backends = upstreams.map((backend) => withPortThatCounts(backend, identity['listen'], tunnel))
  const written = {
    name,
    ...identity,
    ...readScheduling(service, left),
    ...(forwarding !== 'nat' && { forwarding }),
    ...(weight !== 1 && { weight }),
    ...check,
    on_down: check['health_check'] !== undefined && !isNone(check) ? 'zero' : undefined,
  }
  left.push(...fields.others(OF_BALANCER), ...service.others({}), ...routing.others({}), ...outer.others({}))
  return { place: fields.place(), written: present(written), backends, notes: [] }
}

function isNone({ health_check: check }: Written): boolean {
  return isMapping(check) && check['type'] === 'none'
}

function identityOf(service: Fields): Written | undefined {
  for (const protocol of ['tcp', 'udp'] as const) {
    const attributes = spelled(service, `${protocol}Attributes`)
    const address = addressOf(attributes.inner('address'))
    const port = attributes.number('port')
    if (address !== undefined && port !== undefined) return { listen: formatEndpoint(address, port), protocol }
  }
  const attributes = spelled(service, 'fwmarkAttributes')
  const fwmark = attributes.number('fwmark')
  const family = attributes.take('addressFamily') ?? attributes.take('address_family')
  if (fwmark === undefined) return undefined
  return { fwmark, ...((family === 'AF_INET6' || family === 1) && { family: 'ipv6' }) }
}

function addressOf(fields: Fields): IpAddress | undefined {
  return parseAddress(fields.text('ipv4') ?? fields.text('ipv6') ?? '')
}

const SCHEDULERS = new Map<unknown, string>([
  ['RR', 'rr'],
  [0, 'rr'],
  ['WRR', 'wrr'],
  [1, 'wrr'],
])

const FLAG_NAMES = [
  'EMPTY',
  'PERSISTENT',
  'HASHED',
  'ONEPACKET',
  'SCHED1',
  'SCHED2',
  'SCHED3',
  'SH_FALLBACK',
  'SH_PORT',
  'SH_NOPORT',
]

function readScheduling(service: Fields, left: LeftOut[]): Written {
  const named = service.take('scheduler') ?? 'RR'
  const scheduler = SCHEDULERS.get(named)
  if (scheduler === undefined)
    left.push(service.leftOut('scheduler', 'Linux has no such scheduler', 'write scheduler: with one of Linux'))
  const written: Written = { scheduler: scheduler ?? 'rr' }
  const flags = service.take('flags')
  for (const flag of Array.isArray(flags) ? flags : []) {
    const name = typeof flag === 'number' ? FLAG_NAMES[flag] : flag
    if (name === 'ONEPACKET') written['one_packet'] = true
    else if (name === 'PERSISTENT') {
      written['persistence'] = '300s'
      left.push({
        ...service.place('flags'),
        directive: 'flags: PERSISTENT',
        reason: 'kglb gives it neither a time nor a netmask; 300s was written',
        remedy: 'write persistence: with the time that is meant',
      })
    } else if (name !== 'EMPTY' && name !== 'HASHED')
      left.push({
        ...service.place('flags'),
        directive: `flags: ${String(name)}`,
        reason: `it means nothing to the scheduler ${String(written['scheduler'])}`,
        remedy: 'write scheduler: sh with its flags if that was meant',
      })
  }
  return written
}

function readUpstreams(discovery: Fields, left: LeftOut[]): readonly ImportedBackend[] {
  const port = discovery.number('port') ?? 0
  discovery.take('resolveFamily')
  discovery.take('resolve_family')
  const attributes = spelled(discovery, 'staticAttributes')
  const hosts = attributes.take('hosts')
  const mdb = spelled(discovery, 'mdbAttributes')
  if (mdb.has('query')) left.push(mdb.leftOut('query', 'there is no source mdb', 'write source: with dns, consul, http or file'))
  left.push(...discovery.others({}), ...attributes.others({}))
  return (Array.isArray(hosts) ? hosts : []).flatMap((host): ImportedBackend[] => {
    const address = parseAddress(String(host))
    const place = attributes.place('hosts')
    if (address !== undefined) return [{ place, written: { address: formatEndpoint(address, port) }, notes: [] }]
    left.push({
      ...place,
      directive: `hosts: ${String(host)}`,
      reason: 'backends written in the configuration are addresses',
      remedy: `write source: { dns: { name: ${String(host)}, port: ${port} } }`,
    })
    return []
  })
}
