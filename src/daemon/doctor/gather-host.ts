import { existsSync } from 'node:fs'
import { readdir, readFile, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { controlSocket } from '../../admin/control-socket-name.ts'
import { hostInstead } from '../../admin/http-server.ts'
import type { Settings } from '../../config/configuration.ts'
import { clockIsKept } from '../../kernel/for-daemon.ts'
import { formatEndpoint } from '../../model/address.ts'
import { currentPlace } from '../../store/ownership.ts'
import type { TableHolder } from '../host.ts'
import { nearestExisting, tryDirectory } from '../state-directory.ts'
import type { AdminFacts, ClockFacts, DoctorFacts, StateDirectoryFacts } from './facts.ts'
import { hidesSockets, holderOfSocket, listenerOn, textOf } from './processes.ts'

/** Magic numbers of `linux/magic.h`. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6])
const OVER_THE_NETWORK: ReadonlySet<number> = new Set([0x6969, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400])

/** Tries the directory, and leaves nothing behind. */
export async function stateDirectoryFacts(path: string): Promise<StateDirectoryFacts> {
  const trouble = await tryDirectory(path)
  const fileSystem = await fileSystemOf(await nearestExisting(path))
  const { netns } = await currentPlace()
  return {
    path,
    ...(trouble !== undefined && { problem: trouble.problem, ...(trouble.errno !== undefined && { errno: trouble.errno }) }),
    ...(process.getuid !== undefined && { user: process.getuid() }),
    ...(await ownerOf(path)),
    ...(fileSystem !== undefined && { fileSystem }),
    socketPath: Buffer.byteLength(join(path, controlSocket(netns))),
  }
}

async function ownerOf(path: string): Promise<Pick<StateDirectoryFacts, 'owner' | 'missing'>> {
  try {
    return { owner: (await stat(path)).uid }
  } catch (error) {
    // Behind a directory that may not be looked into it may be there.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { missing: true } : {}
  }
}

async function fileSystemOf(path: string): Promise<StateDirectoryFacts['fileSystem']> {
  try {
    const { type, bavail, bsize } = await statfs(path)
    const kind = IN_MEMORY.has(type) ? 'memory' : OVER_THE_NETWORK.has(type) ? 'network' : 'disk'
    const mount = mountOf(path, await readFile('/proc/self/mountinfo', 'utf8'))
    return { kind, mount, freeBytes: bavail * bsize }
  } catch {
    return undefined
  }
}

/** Of /proc/self/mountinfo: where the file system that has a path is mounted. */
export function mountOf(path: string, mountinfo: string): string {
  const points = mountinfo.split('\n').flatMap((line) => {
    const point = line
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    return point !== undefined && (point === '/' || path === point || path.startsWith(`${point}/`)) ? [point] : []
  })
  return points.reduce((longest, point) => (point.length > longest.length ? point : longest), '/')
}

export async function clockFacts(stateDir: string): Promise<ClockFacts> {
  const lastWrite = await lastWriteIn(stateDir)
  const isKept = kept()
  return { now: Date.now(), ...(lastWrite !== undefined && { lastWrite }), ...(isKept !== undefined && { isKept }) }
}

function kept(): boolean | undefined {
  try {
    return clockIsKept()
  } catch {
    return undefined
  }
}

async function lastWriteIn(directory: string): Promise<number | undefined> {
  const names = await readdir(directory).catch((): string[] => [])
  const times = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  return times.length === 0 ? undefined : Math.max(...times)
}

/** Listens there for a moment. */
export async function adminFacts({ admin }: Settings, holder: DoctorFacts['holder']): Promise<AdminFacts | undefined> {
  if (admin === 'off') return undefined
  const { address, port } = admin
  const endpoint = formatEndpoint(address, port)
  const errno = await tryAsDaemon(address, port)
  if (errno !== 'EADDRINUSE') return { endpoint, ...(errno !== undefined && { errno }) }
  const socket = await listenerOn(address, port)
  if (socket === undefined) return { endpoint, errno }
  const listener = await holderOfSocket(socket.inode)
  if (listener !== undefined) return { endpoint, errno, listener }
  const hidden = typeof holder === 'object' && (await hidesSockets(holder.pid, socket.user))
  return { endpoint, errno, ...(hidden && { hidden: true as const }) }
}

async function tryAsDaemon(host: string, port: number): Promise<string | undefined> {
  const errno = await tryListening(host, port)
  const instead = hostInstead(host, errno)
  return instead === undefined ? errno : tryListening(instead, port)
}

function tryListening(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code = 'an error' }: NodeJS.ErrnoException) => resolve(code))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}

/** Of the daemon that runs; else of this process, for which Node has raised the soft limit to the hard one, as for a daemon. */
export async function descriptorFacts(holder: TableHolder | undefined): Promise<DoctorFacts['descriptors']> {
  const pid = typeof holder === 'object' ? holder.pid : undefined
  const limits = await textOf(`/proc/${pid ?? 'self'}/limits`)
  const limit = limitIn(limits)
  return limit === undefined ? undefined : { limit, ...(pid !== undefined && { pid }) }
}

/** Of a /proc/PID/limits: how many files the process may have open. */
export function limitIn(limits: string): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

export function systemdRuns(): boolean {
  return existsSync('/run/systemd/system')
}

const INSTALLERS: readonly (readonly [RegExp, string])[] = [
  [/\b(debian|ubuntu)\b/, 'apt-get install -y'],
  [/\b(fedora|rhel|centos)\b/, 'dnf install -y'],
  [/\b(suse|opensuse)\b/, 'zypper install -y'],
  [/\balpine\b/, 'apk add'],
  [/\barch\b/, 'pacman -S --noconfirm'],
]

/** Of an /etc/os-release: what installs a package. */
export function installerIn(osRelease: string): string | undefined {
  const names = [...osRelease.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].map(([, names]) => names).join(' ')
  return INSTALLERS.find(([distribution]) => distribution.test(names))?.[1]
}

export async function installer(): Promise<string | undefined> {
  return installerIn(await textOf('/etc/os-release'))
}
