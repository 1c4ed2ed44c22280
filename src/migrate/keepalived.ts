import { isMapping } from '../document/reading.ts'
import { BELIEVES_ALL, type Imported, type ImportedService, type LeftOut, type Place, type Written } from './imported.ts'
import { isKnownGlobal, readGlobalDefs, unknownGlobal } from './keepalived/global-defs.ts'
import { type Group, readGroup, type Target, targetOf } from './keepalived/groups.ts'
import { type Files, invalid, readLines } from './keepalived/lines.ts'
import { leftOut } from './keepalived/notes.ts'
import { readHooks } from './keepalived/quorum-hooks.ts'
import { type Directive, readTree } from './keepalived/tree.ts'
import { type ReadServer, readVirtualServer } from './keepalived/virtual-server.ts'
import { isVrrp, readVrrp } from './keepalived/vrrp.ts'

export type { Files } from './keepalived/lines.ts'

export interface KeepalivedOptions {
  readonly files: Files
  /** Name of the host whose lines count where lines begin with `@`. */
  readonly configId?: string | undefined
}

/**
 * What a configuration of keepalived comes to: its virtual servers and what belongs to IPVS. Everything else is listed. Rejects with
 * CONFIG_UNREADABLE, or CONFIG_INVALID where braces do not pair or the file is no text. Source: keepalived.conf(5).
 */
export async function importKeepalived(path: string, { files, configId }: KeepalivedOptions): Promise<Imported> {
  const { lines, leftOut: unread } = await readLines(path, files, configId)
  const directives = readTree(lines)
  const [first] = directives
  if (first !== undefined && !directives.some((each) => isKnown(each) || isKnownGlobal(each)))
    throw invalid(first.place, 'nothing in this file is of keepalived', 'name a keepalived.conf')
  const left: LeftOut[] = [...unread]
  const named = (name: string) => directives.filter((directive) => directive.name === name)
  const blocksOf = (name: string) => named(name).flatMap(({ block = [] }) => block)
  const { ipvs, scriptUser, places } = readGlobalDefs(blocksOf('global_defs'), left)
  const vrrp = readVrrp(directives.filter(isVrrpBlock))
  left.push(...vrrp.leftOut)
  const groups = named('virtual_server_group').map((directive) => readGroup(directive, left))
  const sharedNames = repeated(
    blocksOf('virtual_server').flatMap(({ name, words }) => (name === 'snmp_name' ? words.slice(0, 1) : [])),
  )
  const around = { scriptUser, tls: readTls(blocksOf('SSL'), left), sharedNames }
  const read = named('virtual_server').flatMap((directive): ReadServer[] => {
    const targets = targetsOf(directive, groups, left)
    return targets.length === 0 ? [] : [readVirtualServer(directive, targets, around, left)]
  })
  for (const directive of directives) if (!isKnown(directive)) left.push(unknownGlobal(directive))
  for (const group of groups) if (!isUsed(group, directives)) left.push(unused(group))
  const services = read.flatMap((server) => server.services)
  const hooks = readHooks(read, left)
  const asked = services.some(({ written }) => isAsked(written))
  return {
    head: headOf(vrrp.addresses, services, asked),
    global: { ...(Object.keys(ipvs).length > 0 && { ipvs }), ...(Object.keys(hooks).length > 0 && { hooks }) },
    defaults: asked ? BELIEVES_ALL : {},
    places: new Map([...places, ...placesOfHooks(read)]),
    services,
    leftOut: unique(left),
  }
}

const BLOCKS = ['global_defs', 'virtual_server', 'virtual_server_group', 'SSL']

function isVrrpBlock(directive: Directive): boolean {
  return !BLOCKS.includes(directive.name) && isVrrp(directive)
}

function isKnown(directive: Directive): boolean {
  return BLOCKS.includes(directive.name) || isVrrp(directive)
}

function headOf(addresses: readonly string[], services: readonly ImportedService[], asked: boolean): string[] {
  const written = JSON.stringify(services)
  const checks = services.flatMap((service) => checksOf(service.written))
  return [
    'Made by `pointsman import keepalived`. What could not be carried over was listed on standard error.',
    ...(addresses.length > 0 ? [`VRRP stays with keepalived, which places ${addresses.join(', ')}.`] : []),
    ...(written.includes('"on_down":"remove"')
      ? ['on_down: remove is what keepalived does. Left out, backends that fail keep their connections where that is safe.']
      : []),
    ...(asked
      ? [
          'max_ejection: 100% and panic: off are what keepalived does: it believes every failure, to the last server. Left out, a page that fails everywhere takes no pool away.',
        ]
      : []),
    ...(checks.some(({ exec }) => isMapping(exec) && exec['user'] === undefined)
      ? [
          'keepalived runs programs of checks as keepalived_script, or as root. Here they have the rights of nobody where Pointsman is root, and else its own; exec: { user: ... } says otherwise.',
        ]
      : []),
    ...(written.includes('"verify":false')
      ? ['keepalived looks at no certificate. Remove verify: false where those of the servers are in order.']
      : []),
  ]
}

function checksOf({ health_check: one, health_checks: several }: Written): readonly Written[] {
  return [one, ...(Array.isArray(several) ? several : [])].filter(isMapping)
}

function isAsked(written: Written): boolean {
  return checksOf(written).some(({ type }) => type !== 'none')
}

/** What clients connect to: `ADDRESS PORT`, `fwmark NUMBER`, or all that a group lists. */
function targetsOf(directive: Directive, groups: readonly Group[], left: LeftOut[]): readonly Target[] {
  const [first, second] = directive.words
  if (first === 'group') {
    const group = groups.find((each) => each.directive.words[0] === second)
    if (group === undefined) left.push(leftOut(directive, 'there is no such group', 'write the service that is meant'))
    return group?.targets ?? []
  }
  const target = targetOf(directive.words)
  if (target !== undefined) return [target]
  left.push(leftOut(directive, 'this is no address, firewall mark or group', 'write the service that is meant'))
  return []
}

function isUsed({ directive }: Group, directives: readonly Directive[]): boolean {
  return directives.some(
    ({ name, words }) => name === 'virtual_server' && words[0] === 'group' && words[1] === directive.words[0],
  )
}

function unused({ directive }: Group): LeftOut {
  return leftOut(directive, 'no virtual server uses the group', 'do nothing')
}

/** Keys of `tls` for every SSL_GET. */
function readTls(directives: readonly Directive[], left: LeftOut[]): Written {
  const word = (key: string) => directives.find(({ name }) => name === key)?.words[0]
  const cert = word('certificate')
  const key = word('key')
  const whole = cert !== undefined && key !== undefined
  for (const directive of directives) {
    if (whole && ['certificate', 'key'].includes(directive.name)) continue
    const [reason, remedy] =
      directive.name === 'ca'
        ? ['keepalived loads it and verifies nothing', 'write tls: { ca: ... } in place of tls: { verify: false }']
        : ['a certificate of ours needs a key that has no password', 'write tls: { cert: ..., key: ... } with both']
    left.push(leftOut(directive, reason, remedy))
  }
  return whole ? { cert, key } : {}
}

function placesOfHooks(read: readonly ReadServer[]): (readonly [string, Place])[] {
  const first = (key: 'quorumUp' | 'quorumDown') => read.find((server) => server[key] !== undefined)?.[key]?.directive.place
  return [
    ['global.hooks.quorum_up', first('quorumUp')] as const,
    ['global.hooks.quorum_down', first('quorumDown')] as const,
  ].flatMap(([path, place]) => (place === undefined ? [] : [[path, place] as const]))
}

function repeated(words: readonly string[]): ReadonlySet<string> {
  return new Set(words.filter((word, at) => words.indexOf(word) < at))
}

/** Once each: a virtual server of a group is read for each of its targets. */
function unique(left: readonly LeftOut[]): LeftOut[] {
  const found = new Map(left.map((each) => [JSON.stringify(each), each]))
  return [...found.values()]
}
