import { type AddressFamily, familyOf } from '../../src/model/address.ts'
import { type Destination, type DestinationKey, destinationKey, type Forwarding } from '../../src/model/destination.ts'
import type { IpvsTable, ServiceReading } from '../../src/model/ipvs-table.ts'
import {
  type Persistence,
  type SchedulerFlags,
  type ServiceIdentity,
  type ServiceKey,
  serviceKey,
  singleClientMask,
} from '../../src/model/virtual-service.ts'
import { endpoint } from './desired.ts'

/**
 * The table as `ipvsadm -Sn` tells it (ipvsadm 1.31): a witness that shares nothing with the project's own reading. It
 * does not print thresholds (see `parseThresholds`), nor the third flag of `sh` and `mh`.
 */
export function parseSave(text: string): IpvsTable {
  const table = new Map<
    ServiceKey,
    ServiceReading & { destinations: Map<DestinationKey, { destination: Destination; connections: typeof NONE }> }
  >()
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const words = line.trim().split(/\s+/)
    const identity = identityOf(words)
    const key = serviceKey(identity)
    if (words[0] === '-A') {
      table.set(key, { service: { identity, ...serviceOf(words, identity) }, destinations: new Map() })
    } else if (words[0] === '-a') {
      const destination = destinationOf(words)
      table.get(key)?.destinations.set(destinationKey(destination), { destination, connections: NONE })
    } else {
      throw new Error(`not a line of ipvsadm -Sn: ${line}`)
    }
  }
  return table
}

/** `upper/lower` by `TCP 10.0.0.1:80 10.1.0.1:80`, from `ipvsadm -Ln --thresholds`. */
export function parseThresholds(text: string): Map<string, string> {
  const thresholds = new Map<string, string>()
  let service = ''
  for (const line of text.split('\n')) {
    const head = /^(TCP|UDP|SCTP|FWM)\s+(\S+)( IPv6)?/.exec(line)
    if (head) service = `${head[1]} ${head[2]}${head[3] ?? ''}`
    const body = /^\s+->\s+(\S+:\d+)\s+(\d+)\s+(\d+)\s/.exec(line)
    if (body) thresholds.set(`${service} ${body[1]}`, `${body[2]}/${body[3]}`)
  }
  return thresholds
}

/** The name of a service in ipvsadm's listings. */
export function listedName(identity: ServiceIdentity): string {
  if (identity.kind === 'fwmark') return `FWM ${identity.fwmark}${identity.family === 'ipv6' ? ' IPv6' : ''}`
  return `${identity.protocol.toUpperCase()} ${destinationKey(identity)}`
}

const NONE = { active: 0, inactive: 0, persistent: 0 }

function optionOf(words: readonly string[], option: string): string | undefined {
  const at = words.indexOf(option)
  return at < 0 ? undefined : words[at + 1]
}

function identityOf(words: readonly string[]): ServiceIdentity {
  const mark = optionOf(words, '-f')
  if (mark !== undefined) return { kind: 'fwmark', fwmark: Number(mark), family: words.includes('-6') ? 'ipv6' : 'ipv4' }
  for (const [option, protocol] of [
    ['-t', 'tcp'],
    ['-u', 'udp'],
    ['--sctp-service', 'sctp'],
  ] as const) {
    const text = optionOf(words, option)
    if (text !== undefined) return { kind: 'address', protocol, ...endpoint(text) }
  }
  throw new Error(`no service in: ${words.join(' ')}`)
}

function serviceOf(words: readonly string[], identity: ServiceIdentity) {
  const family: AddressFamily = identity.kind === 'fwmark' ? identity.family : familyOf(identity.address)
  const persistence = persistenceOf(words, family)
  return {
    scheduler: optionOf(words, '-s') ?? '',
    flags: flagsOf(optionOf(words, '-b')),
    onePacket: words.includes('-o'),
    ...(persistence === undefined ? {} : { persistence }),
  }
}

/** `flag-1,flag-2`, or the names that sh and mh give to the first two. Nothing follows `-b` where only the third is set. */
function flagsOf(text: string | undefined): SchedulerFlags {
  const names = new Set((text ?? '').split(','))
  return {
    flag1: names.has('flag-1') || names.has('sh-fallback') || names.has('mh-fallback'),
    flag2: names.has('flag-2') || names.has('sh-port') || names.has('mh-port'),
    flag3: names.has('flag-3'),
  }
}

function persistenceOf(words: readonly string[], family: AddressFamily): Persistence | undefined {
  const timeout = optionOf(words, '-p')
  if (timeout === undefined) return undefined
  const mask = optionOf(words, '-M')
  const engine = optionOf(words, '--pe')
  return {
    timeout: Number(timeout),
    mask: mask === undefined ? singleClientMask(family) : family === 'ipv6' ? Number(mask) : netmask(mask),
    ...(engine === undefined ? {} : { engine }),
  }
}

function netmask(text: string): number {
  return text.split('.').reduce((mask, part) => mask * 256 + Number(part), 0)
}

function destinationOf(words: readonly string[]): Destination {
  return {
    ...endpoint(optionOf(words, '-r') ?? ''),
    forwarding: forwardingOf(words),
    weight: Number(optionOf(words, '-w')),
    upperThreshold: 0,
    lowerThreshold: 0,
  }
}

function forwardingOf(words: readonly string[]): Forwarding {
  if (words.includes('-m')) return { method: 'nat' }
  if (words.includes('-g')) return { method: 'direct' }
  const type = optionOf(words, '--tun-type')
  const checksum = words.includes('--tun-csum') ? 'checksum' : 'none'
  if (type === 'gre') return { method: 'tunnel', tunnel: { type, checksum } }
  if (type !== 'gue') return { method: 'tunnel', tunnel: { type: 'ipip' } }
  const port = Number(optionOf(words, '--tun-port'))
  return { method: 'tunnel', tunnel: { type, port, checksum: words.includes('--tun-remcsum') ? 'remote-checksum' : checksum } }
}
