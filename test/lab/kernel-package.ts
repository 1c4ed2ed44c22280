/** Finds and fetches the Debian kernel package that the lab boots; nothing is installed. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { LabError } from './lab-error.ts'
import { privateApt } from './private-apt.ts'

/** A kernel package and the apt options that reach the suite which has it. */
export interface KernelPackage {
  readonly name: string
  readonly version: string
  readonly aptOptions: readonly string[]
}

/** Suites that are searched for a kernel the machine's own suite does not have. */
const otherSuites = ['bookworm', 'trixie', 'bullseye', 'bookworm-backports', 'trixie-backports', 'forky', 'sid']

/** Debian's plain kernels; the `-cloud` flavour has no 9p. */
const flavour = /^linux-image-(\d+\.\d+)[\w.+~-]*-amd64$/
const excluded = /cloud|rt-amd64|-dbg$|unsigned/

async function show(name: string, aptOptions: readonly string[]): Promise<Map<string, string>> {
  const text = await command(['apt-cache', ...aptOptions, '--no-all-versions', 'show', name]).catch(() => '')
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z][\w-]*): (.*)$/.exec(line)
    if (match?.[1] !== undefined && match[2] !== undefined && !fields.has(match[1])) fields.set(match[1], match[2])
  }
  return fields
}

/** The package behind Debian's `linux-image-amd64`, or the newest one of `wanted` ("6.12"). */
async function find(wanted: string | undefined, aptOptions: readonly string[]): Promise<KernelPackage | undefined> {
  const meta = await show('linux-image-amd64', aptOptions)
  const depends = (meta.get('Depends') ?? '').split(/[ ,]+/).filter((name) => flavour.test(name) && !excluded.test(name))
  const names = await command(['apt-cache', ...aptOptions, 'pkgnames', 'linux-image-']).catch(() => '')
  const others = names
    .split('\n')
    .filter((name) => flavour.test(name) && !excluded.test(name))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  for (const name of [...depends, ...others]) {
    if (wanted !== undefined && flavour.exec(name)?.[1] !== wanted) continue
    const version = (await show(name, aptOptions)).get('Version')
    if (version !== undefined) return { name, version, aptOptions }
  }
  return undefined
}

/**
 * Which package to boot. `wanted` is a series such as `6.12`; left out, what `linux-image-amd64` of this machine's suite
 * depends on. `dir` holds apt's lists while other suites are asked. Throws a LabError when no suite has it.
 */
export async function findKernelPackage(wanted: string | undefined, dir: string): Promise<KernelPackage> {
  const own = await find(wanted, [])
  if (own !== undefined) return own
  const series = wanted ?? '6.1'
  for (const suite of otherSuites) {
    const apt = await privateApt(suite, dir)
    const updated = await command(['apt-get', ...apt, 'update', '-q']).then(
      () => true,
      () => false,
    )
    const found = updated ? await find(series, apt) : undefined
    if (found !== undefined) return found
  }
  throw new LabError(
    `no Debian suite that apt can reach has a kernel ${series}: set LAB_KERNEL to a series such as 6.1 or 6.12, or leave it unset`,
  )
}

/** Downloads the package into `dir` and returns the file's path. */
export async function downloadPackage(kernel: KernelPackage, dir: string): Promise<string> {
  await command(
    ['apt-get', ...kernel.aptOptions, '-o', 'APT::Sandbox::User=root', 'download', `${kernel.name}=${kernel.version}`],
    { cwd: dir, timeoutMs: 600_000 },
  )
  const file = readdirSync(dir).find((name) => name.startsWith(`${kernel.name}_`) && name.endsWith('.deb'))
  if (file === undefined) throw new LabError(`apt-get download ${kernel.name} left no package in ${dir}`)
  return join(dir, file)
}
