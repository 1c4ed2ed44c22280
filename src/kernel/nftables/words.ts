import { PointsmanError } from '../../errors.ts'
import { noPermission } from '../netfilter/refusals.ts'

/** Words of strerror(3), which nftables repeats, and the errors that they stand for. */
const ERRNOS: readonly (readonly [string, string])[] = [
  ['No such file or directory', 'ENOENT'],
  ['File exists', 'EEXIST'],
  ['Device or resource busy', 'EBUSY'],
  ['Operation not permitted', 'EPERM'],
  ['Operation not supported', 'ENOTSUP'],
  ['Invalid argument', 'EINVAL'],
  ['Numerical result out of range', 'ERANGE'],
  ['Cannot allocate memory', 'ENOMEM'],
  ['No buffer space available', 'ENOBUFS'],
]

/** What is shown of its words at most. */
const LONGEST = 300

/** The reason in what nftables wrote: without the place in the JSON, which nobody sees, and the command that it repeats. */
export function reasonIn(words: string): string {
  const lines = words.split('\n').filter((line) => /\S/.test(line))
  const line = lines.find((line) => line.includes('Error: ')) ?? lines[0] ?? 'it gave no reason'
  const reason = line.includes('Error: ') ? line.slice(line.indexOf('Error: ') + 'Error: '.length) : line
  return reason.trim().replace(/\.+$/, '').slice(0, LONGEST)
}

/** What stands in front of the kernel's own reason. In front of anything else it is a reason of the library: a file, a module. */
const PREFIX = /^(Could not process rule|cache initialization failed): /

/** The error of the kernel that a reason of nftables stands for, if it is one of the known. */
export function errnoOf(reason: string): string | undefined {
  const words = reason.replace(PREFIX, '')
  return ERRNOS.find(([text]) => words.startsWith(text))?.[1]
}

/** nftables refused; `words` are its own. */
export function nftRefused(words: string): PointsmanError {
  const reason = reasonIn(words)
  const errno = errnoOf(reason)
  if (errno === 'EPERM') return noPermission('nftables')
  const sentence = `nftables refused: ${reason}. It is tried again at the next pass; \`nft list ruleset\` shows what is there.`
  return new PointsmanError('KERNEL_REFUSED', sentence, { detail: { reason, ...(errno !== undefined && { errno }) } })
}

/** It was not even asked: no descriptor, no memory, no process. */
export function nftNotAsked(cause: unknown): PointsmanError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PointsmanError('KERNEL_REFUSED', `nftables could not be asked (${reason}). It is tried again at the next pass.`, {
    cause,
  })
}

/** The kernel does not know nf_tables; `errno` is what it said. */
export function nftMissingInKernel(errno: string): PointsmanError {
  return new PointsmanError(
    'NFT_MISSING',
    `This kernel has no nftables (${errno}): load its module with \`modprobe nf_tables\` on the host, or boot a kernel that has it (CONFIG_NF_TABLES).`,
    { detail: { errno } },
  )
}

/** Neither way to nftables is installed, or not the one that was asked for. */
export function nftNotInstalled(by: 'libnftables' | 'nft' | undefined): PointsmanError {
  const what =
    by === undefined
      ? 'Neither libnftables.so.1 nor the program nft is'
      : `${by === 'nft' ? 'The program nft' : 'libnftables.so.1'} is not`
  return new PointsmanError('NFT_MISSING', `${what} installed: \`apt install nftables\` brings both.`)
}

export function nftStuck(deadlineMs: number): PointsmanError {
  return new PointsmanError(
    'KERNEL_STUCK',
    `nftables has not come back for ${deadlineMs / 1000} s: nothing more is asked of it until it does. Look into dmesg for hung tasks.`,
  )
}

/** It answered what is no JSON of its. */
export function nftUnreadable(cause: unknown): PointsmanError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const sentence = `The answer of nftables cannot be read: ${reason}. It is asked again at the next pass; if this stays, report it with the version (nft --version).`
  return new PointsmanError('KERNEL_REFUSED', sentence, { cause })
}
