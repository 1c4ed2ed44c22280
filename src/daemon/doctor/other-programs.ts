import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { OtherProcess } from './cures.ts'
import { linkOf, processOf, textOf } from './processes.ts'

/** Programs of this network namespace that are at work on what Pointsman is at work on; one process for each. */
export interface OtherPrograms {
  /** Known to write IPVS tables. */
  readonly otherWriters: readonly OtherProcess[]
  /** Known to move addresses from host to host. */
  readonly addressMovers: readonly OtherProcess[]
}

/** By the name under which they run. */
const WRITERS: ReadonlySet<string> = new Set(['kube-proxy', 'kube-router', 'keepalived', 'ldirectord'])
const MOVERS: ReadonlySet<string> = new Set(['keepalived', 'vrrpd', 'uvrrpd', 'ucarp', 'pacemakerd', 'kube-vip'])

interface Program {
  readonly name: string
  readonly writes: boolean
  readonly moves: boolean
}

export async function findOtherPrograms(proc = '/proc'): Promise<OtherPrograms> {
  const own = await linkOf(join(proc, 'self/ns/net'))
  const found = new Map<string, Program & { readonly pid: number }>()
  for (const entry of await readdir(proc)) {
    if (!/^\d+$/.test(entry)) continue
    const program = await programIn(join(proc, entry))
    if (program === undefined) continue
    const kind = `${program.name} ${program.writes} ${program.moves}`
    // The lowest number of a program is its parent, most of the time: the others end with it.
    if ((found.get(kind)?.pid ?? Number.POSITIVE_INFINITY) < Number(entry)) continue
    // Another user's namespace cannot be seen without rights: better one suspect too many.
    const theirs = await linkOf(join(proc, entry, 'ns/net'))
    if (own === undefined || theirs === undefined || own === theirs) found.set(kind, { ...program, pid: Number(entry) })
  }
  const those = (programs: readonly { readonly name: string; readonly pid: number }[]) =>
    Promise.all(programs.map(async ({ name, pid }) => ({ ...(await processOf(pid, proc)), program: name })))
  const all = [...found.values()]
  return {
    otherWriters: await those(all.filter(({ writes }) => writes)),
    addressMovers: await those(all.filter(({ moves }) => moves)),
  }
}

async function programIn(directory: string): Promise<Program | undefined> {
  const words = (await textOf(join(directory, 'cmdline'))).split('\0')
  const names = [(await textOf(join(directory, 'comm'))).trim(), ...namesOf(words)]
  const name = names.find((each) => WRITERS.has(each) || MOVERS.has(each))
  if (name === undefined) return undefined
  const half = name === 'keepalived' ? keepalivedHalf(words.slice(1)) : 'both'
  const balances = name !== 'kube-router' || !words.includes('--run-service-proxy=false')
  return { name, writes: WRITERS.has(name) && half !== 'vrrp' && balances, moves: MOVERS.has(name) && half !== 'check' }
}

/** What runs is the first word, or the script of Perl, as ldirectord is. Other words may name what somebody merely looks at: `journalctl -u keepalived`. */
function namesOf([program = '', ...args]: readonly string[]): string[] {
  const name = basename(program)
  const script = /^perl[\d.]*$/.test(name) ? args.find((word) => !word.startsWith('-')) : undefined
  return script === undefined ? [name] : [name, basename(script)]
}

/** Short options of keepalived(8) that are followed by a word, in the same one or the next. */
const WITH_WORD = 'ufSprcbisA'
/** Those that may be, in the same one alone. */
const WITH_REST = 'gtM'

/** Which halves of keepalived run: `--vrrp` moves addresses and writes no table, `--check` does the opposite. */
export function keepalivedHalf(args: readonly string[]): 'vrrp' | 'check' | 'both' {
  const chosen = new Set<string>()
  for (let at = 0; at < args.length && args[at] !== '--'; at++) {
    const word = args[at] ?? ''
    if (word === '--all') return 'both'
    if (word === '--vrrp') chosen.add('P')
    else if (word === '--check') chosen.add('C')
    if (!/^-[^-]/.test(word)) continue
    const letters = word.slice(1)
    const end = [...letters].findIndex((letter) => (WITH_WORD + WITH_REST).includes(letter))
    for (const letter of end < 0 ? letters : letters.slice(0, end)) chosen.add(letter)
    if (end === letters.length - 1 && WITH_WORD.includes(letters[end] ?? '')) at += 1
  }
  if (chosen.has('P') === chosen.has('C')) return 'both'
  return chosen.has('P') ? 'vrrp' : 'check'
}

/** PROC_PID_INIT_INO of the kernel's proc_ns.h. */
const PIDS_OF_HOST = 'pid:[4026531836]'

/** Whether every process of this host can be seen: not so in most containers, and where /proc is mounted with hidepid. */
export async function seesEveryProcess(proc = '/proc'): Promise<boolean> {
  return (await linkOf(join(proc, 'self/ns/pid'))) === PIDS_OF_HOST && (await textOf(join(proc, '1/comm'))) !== ''
}
