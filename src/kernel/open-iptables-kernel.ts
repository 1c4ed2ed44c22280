import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { PointsmanError } from '../errors.ts'
import type { AddressFamily } from '../model/address.ts'
import type { IptablesFilter, IptablesKernel, IptablesVariant } from './iptables-kernel.ts'
import { watchNatTables } from './iptables-watch.ts'
import { loadedModules } from './modules.ts'
import { noPermission } from './netfilter/refusals.ts'

/** What a distribution calls them: `iptables` leaves the choice to it. */
type Variant = 'iptables' | `iptables-${IptablesVariant}`

/** That of the distribution first. */
const VARIANTS: readonly Variant[] = ['iptables', 'iptables-nft', 'iptables-legacy']

export interface OpenIptablesKernelOptions {
  /** Left out: the first of them that is installed and gets an answer of this kernel. */
  readonly variant?: Variant
  /** Milliseconds; 30 s where it is left out. */
  readonly deadlineMs?: number
  /** Folders that are searched for the programs. */
  readonly path?: string
}

/** Where systems keep their own programs; the PATH of a service says nothing about it. */
const FOLDERS = '/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin'
const DEADLINE = 30_000
/** Seconds that the programs of iptables-legacy wait for each other. */
const LOCK_WAIT = 10
const RESTORE = ['-n', '-w', String(LOCK_WAIT)]
/** Characters of its words that are shown. */
const LONGEST = 300

/** Words of iptables-nft about a table that nft wrote into: in some versions an error, in others a remark in its answer. */
const INCOMPATIBLE = /table \S+ (is|contains) incompatible/i
const REMARKED = /^# Table \S+ (is|contains) incompatible/im
/** Those of them after which nothing of the table is shown, what is ours as little as the rest. */
const UNREADABLE = /table \S+ is incompatible/i

interface Answer {
  readonly code: number | null
  readonly output: string
  readonly words: string
}

/** iptables(8) in the network namespace of this process. Nothing is run before it is needed. */
export function openIptablesKernel(options: OpenIptablesKernelOptions = {}): IptablesKernel {
  const run = runner(options)
  const save = async (variant: Variant, family: AddressFamily) => {
    const output = await run(variant, family, 'save', ['-c', '-t', 'nat'], '').catch((error: PointsmanError) => {
      throw UNREADABLE.test(error.message) ? unreadable(family) : error
    })
    if (output.split('\n').some((line) => line.startsWith('# ') && UNREADABLE.test(line))) throw unreadable(family)
    return output.split('\n')
  }
  let { variant } = options
  return {
    by: 'iptables',
    async saveNat(family) {
      if (variant !== undefined) return save(variant, family)
      const answer = await firstThatAnswers((each) => save(each, family))
      variant = answer.variant
      return answer.lines
    },
    restoreNat: async (family, lines) => {
      await run(variant ?? 'iptables', family, 'restore', RESTORE, ['*nat', ...lines, 'COMMIT', ''].join('\n'))
    },
    onChange: (listener) => watchNatTables(listener),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** iptables-nft on a kernel without nftables gets no answer; iptables-legacy may. Rejects with the reason of the first that is installed. */
async function firstThatAnswers(
  save: (variant: Variant) => Promise<readonly string[]>,
): Promise<{ readonly variant: Variant; readonly lines: readonly string[] }> {
  let failure: PointsmanError | undefined
  for (const variant of VARIANTS) {
    try {
      return { variant, lines: await save(variant) }
    } catch (error) {
      if (!(error instanceof PointsmanError) || !(error.code === 'NFT_MISSING' || error.code === 'KERNEL_REFUSED')) throw error
      // It is there, and may hold what is ours.
      if (isUnreadable(error)) throw error
      if (failure === undefined || (failure.code === 'NFT_MISSING' && error.code !== failure.code)) failure = error
    }
  }
  throw failure ?? notInstalled('iptables-save')
}

/** The filter tables of iptables(8) in the network namespace of this process. Asking makes no table and loads no module. */
export function openIptablesFilter(options: Omit<OpenIptablesKernelOptions, 'variant'> = {}): IptablesFilter {
  const run = runner(options)
  return {
    async save(variant, family) {
      if (variant === 'legacy' && !(await hasLegacyFilter(family))) return undefined
      try {
        const output = await run(`iptables-${variant}`, family, 'save', ['-t', 'filter'], '')
        return REMARKED.test(output) ? undefined : output.split('\n')
      } catch (error) {
        if (error instanceof PointsmanError && INCOMPATIBLE.test(error.message)) return undefined
        throw error
      }
    },
    async restore(variant, family, lines) {
      await run(`iptables-${variant}`, family, 'restore', RESTORE, ['*filter', ...lines, 'COMMIT', ''].join('\n'))
    },
  }
}

/** Asking iptables-legacy itself would make the table. */
async function hasLegacyFilter(family: AddressFamily): Promise<boolean> {
  const ip = family === 'ipv4' ? 'ip' : 'ip6'
  try {
    return (await readFile(`/proc/net/${ip}_tables_names`, 'utf8')).split('\n').includes('filter')
  } catch (error) {
    // That file is for root alone; another user that may write the tables sees whether there can be any.
    const isForbidden = (error as NodeJS.ErrnoException).code === 'EACCES'
    return isForbidden && loadedModules().has(`${ip}table_filter`)
  }
}

function runner({ deadlineMs = DEADLINE, path = FOLDERS }: OpenIptablesKernelOptions) {
  return async (variant: Variant, family: AddressFamily, verb: 'save' | 'restore', args: readonly string[], input: string) => {
    const program = `${family === 'ipv4' ? variant : variant.replace('ip', 'ip6')}-${verb}`
    const { code, output, words } = await answerOf(program, args, input, { deadlineMs, path })
    if (code !== 0) throw refused(program, words)
    return output
  }
}

function answerOf(
  program: string,
  args: readonly string[],
  input: string,
  { deadlineMs, path }: { readonly deadlineMs: number; readonly path: string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: '/', env: { ...process.env, PATH: path, LC_ALL: 'C' } })
    const output: Buffer[] = []
    const words: Buffer[] = []
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(
        new PointsmanError(
          'KERNEL_STUCK',
          `${program} did not end within ${deadlineMs / 1000} s and was killed: look for who holds the lock of xtables.`,
        ),
      )
    }, deadlineMs)
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => words.push(chunk))
    // It may end before it has read everything, and says why itself.
    child.stdin.on('error', () => undefined)
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(error.code === 'ENOENT' ? notInstalled(program) : refused(program, error.message))
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, output: Buffer.concat(output).toString(), words: Buffer.concat(words).toString() })
    })
    child.stdin.end(input)
  })
}

function refused(program: string, words: string): PointsmanError {
  if (/Permission denied|Operation not permitted/.test(words)) return noPermission('iptables')
  const reason = words
    .replace(/\s+/g, ' ')
    .replace(/ ?(Error occurred at line|Try `).*$/, '')
    .trim()
    .slice(0, LONGEST)
  return new PointsmanError('KERNEL_REFUSED', `${program} refused: ${reason || 'it gave no reason'}. It is tried again.`, {
    detail: { reason },
  })
}

/** What an earlier look, or an earlier process, put there must not be taken for gone. */
function unreadable(family: AddressFamily): PointsmanError {
  const table = family === 'ipv4' ? 'ip nat' : 'ip6 nat'
  const cure = `take its rules out (\`nft -a list table ${table}\` shows them), or write global.snat.by: nftables`
  const message = `iptables cannot read the table ${table} any more, because nft has written into it besides iptables: ${cure}.`
  return new PointsmanError('KERNEL_REFUSED', message, { detail: { unreadable: true } })
}

function isUnreadable({ detail }: PointsmanError): boolean {
  return detail['unreadable'] === true
}

function notInstalled(program: string): PointsmanError {
  const wanted = /-(nft|legacy)-/.test(program) ? 'iptables' : 'nftables (or iptables)'
  return new PointsmanError('NFT_MISSING', `${program} is not installed: install the package ${wanted} of your distribution.`)
}
