import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { OtherWriter } from './facts.ts'

/** Programs that write IPVS tables, by the name under which they run. ldirectord is a Perl script: its name is an argument. */
const WRITERS: ReadonlySet<string> = new Set(['kube-proxy', 'kube-router', 'keepalived', 'ldirectord'])

/** Processes in the network namespace of this one that are known to write IPVS tables; one for each program. */
export async function findOtherWriters(proc = '/proc'): Promise<OtherWriter[]> {
  const own = await linkOf(join(proc, 'self/ns/net'))
  const found = new Map<string, OtherWriter>()
  for (const entry of await readdir(proc)) {
    if (!/^\d+$/.test(entry)) continue
    const program = await programOf(join(proc, entry))
    if (program === undefined || found.has(program)) continue
    // Another user's namespace cannot be seen without rights: better one suspect too many.
    const theirs = await linkOf(join(proc, entry, 'ns/net'))
    if (own === undefined || theirs === undefined || own === theirs) found.set(program, { pid: Number(entry), program })
  }
  return [...found.values()]
}

async function programOf(directory: string): Promise<string | undefined> {
  const words = (await textOf(join(directory, 'cmdline'))).split('\0')
  const names = [(await textOf(join(directory, 'comm'))).trim(), ...words.slice(0, 3).map(baseName)]
  return names.find((name) => WRITERS.has(name))
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}

async function linkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch {
    return undefined
  }
}
