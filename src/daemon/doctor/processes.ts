import { readdir, readFile, readlink } from 'node:fs/promises'
import { endianness } from 'node:os'
import { join } from 'node:path'
import { addressBytes, familyOf, type IpAddress } from '../../model/address.ts'
import type { OtherProcess } from './cures.ts'

/** A process by its number, with the unit of systemd that it belongs to. */
export async function processOf(pid: number, proc = '/proc'): Promise<OtherProcess> {
  // Anybody may name his process as he likes, with control characters in it.
  const program = (await textOf(join(proc, `${pid}`, 'comm'))).trim().replace(/[^\x20-\x7e]/g, '?') || 'a process'
  const unit = unitIn(await textOf(join(proc, `${pid}`, 'cgroup')))
  return { pid, program, ...(unit !== undefined && { unit }) }
}

/** Of a /proc/PID/cgroup: the service, unless the process runs in a user's session or in a container. */
export function unitIn(cgroup: string): string | undefined {
  for (const line of cgroup.split('\n')) {
    const [, path = ''] = /^\d+:(?:name=systemd)?:(\/system\.slice\/.*)$/.exec(line) ?? []
    const unit = path.split('/').find((part) => part.endsWith('.service'))
    if (unit !== undefined) return unit
  }
  return undefined
}

/** Who has a socket open, by its inode; undefined where nobody is seen, as without rights. */
export async function holderOfSocket(inode: string, proc = '/proc'): Promise<OtherProcess | undefined> {
  for (const pid of await namesIn(proc)) {
    if (!/^\d+$/.test(pid)) continue
    const descriptors = join(proc, pid, 'fd')
    for (const fd of await namesIn(descriptors)) {
      const target = await readlink(join(descriptors, fd)).catch(() => '')
      if (target === `socket:[${inode}]`) return processOf(Number(pid), proc)
    }
  }
  return undefined
}

export interface ListeningSocket {
  readonly inode: string
  /** The number of the user that made it. */
  readonly user: number
}

/** The socket that listens at an address, or at all addresses; who asks for all of them is in the way of each (/proc/net/tcp and tcp6). */
export async function listenerOn(address: IpAddress, port: number, proc = '/proc'): Promise<ListeningSocket | undefined> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const own = wordsOf(address)
  const isEvery = (words: string) => /^0+$/.test(words)
  // `::` is all of IPv4, too.
  const meets = (words: string) => isEvery(own) && (familyOf(address) === 'ipv6' || words.length === own.length)
  const isInTheWay = (local: string) => {
    const [words = '', theirs] = local.split(':')
    return theirs === hexPort && (words === own || isEvery(words) || meets(words))
  }
  for (const file of ['tcp', 'tcp6']) {
    for (const line of (await textOf(join(proc, 'self/net', file))).split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/)
      if (columns[3] === LISTENS && isInTheWay(columns[1] ?? '')) return { inode: columns[9] ?? '', user: Number(columns[7]) }
    }
  }
  return undefined
}

/**
 * A process of that user whose sockets nobody but root may see, not even its user: it has capabilities from its own file, as in the container image
 * (PR_SET_DUMPABLE(2const)).
 */
export async function hidesSockets(pid: number, user: number, proc = '/proc'): Promise<boolean> {
  const refused = await readdir(join(proc, `${pid}`, 'fd')).then(
    () => false,
    ({ code }: NodeJS.ErrnoException) => code === 'EACCES',
  )
  const [, effective] = /^Uid:\s+\d+\s+(\d+)/m.exec(await textOf(join(proc, `${pid}`, 'status'))) ?? []
  return refused && Number(effective) === user
}

/** TCP_LISTEN */
const LISTENS = '0A'
/** __SO_ACCEPTCON */
const ACCEPTS = 0x1_0000

/** Words of 32 bits in the byte order of the host, base 16. */
function wordsOf(address: IpAddress): string {
  const words = new DataView(addressBytes(address).slice().buffer)
  const texts: string[] = []
  for (let at = 0; at < words.byteLength; at += 4)
    texts.push(
      words
        .getUint32(at, endianness() === 'LE')
        .toString(16)
        .toUpperCase()
        .padStart(8, '0'),
    )
  return texts.join('')
}

/** The inode of an abstract unix socket that listens (/proc/net/unix); the name without its zero. */
export async function abstractListener(name: string, proc = '/proc'): Promise<string | undefined> {
  for (const line of (await textOf(join(proc, 'self/net/unix'))).split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/)
    const accepts = (Number.parseInt(columns[3] ?? '0', 16) & ACCEPTS) !== 0
    if (accepts && columns[7]?.replace(/@+$/, '') === `@${name}`) return columns[6]
  }
  return undefined
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}

/** Empty where it cannot be read. */
export async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

export async function linkOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined)
}
