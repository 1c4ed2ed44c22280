/** The lab's kernel, brought back to where it knows nothing of IPVS services. */

import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const MODULES = ['ip_vs_wlc', 'ip_vs_wrr', 'ip_vs'] as const

/**
 * Unloads ip_vs and loads it again. Emptying the table is not enough: the kernel keeps deleted destinations for two
 * minutes and looks through all of them whenever one is added.
 */
export function freshIpvs(): void {
  const loaded = new Set(
    readFileSync('/proc/modules', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[0]),
  )
  // A service keeps its scheduler's module, whatever namespace it is in.
  if (loaded.has('ip_vs')) {
    execFileSync('ipvsadm', ['-C'])
    execFileSync('ip', ['-all', 'netns', 'exec', 'ipvsadm', '-C'], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  for (const module of MODULES) if (loaded.has(module)) execFileSync('rmmod', [module])
  execFileSync('modprobe', ['-a', 'ip_vs', 'ip_vs_wlc', 'ip_vs_wrr'])
}

/** How many destinations the kernel holds. */
export function countDestinations(): number {
  let count = 0
  const text = readFileSync('/proc/net/ip_vs', 'latin1')
  for (let at = text.indexOf('\n  -> '); at >= 0; at = text.indexOf('\n  -> ', at + 1)) count++
  return count - 1
}

/** A destination as /proc/net/ip_vs shows it. */
export interface ListedDestination {
  /** Numbers in host order. */
  readonly service: number
  readonly backend: number
  readonly weight: number
}

/**
 * The destination that the kernel lists first: cheap to look at however many services there are. The kernel writes a service
 * and all its destinations at once, and where they do not fit behind the heading the first read ends before them.
 */
export function firstListed(): ListedDestination | undefined {
  const page = Buffer.alloc(1024)
  const file = openSync('/proc/net/ip_vs', 'r')
  const heading = readSync(file, page, 0, page.length / 2, null)
  const length = heading + readSync(file, page, heading, page.length / 2, null)
  closeSync(file)
  const found = /\n\w+\s+([0-9A-F]{8}):\S+ .*\n {2}-> ([0-9A-F]{8}):\S+\s+\w+\s+(\d+) /.exec(page.toString('latin1', 0, length))
  if (!found) return undefined
  return { service: Number.parseInt(found[1] ?? '', 16), backend: Number.parseInt(found[2] ?? '', 16), weight: Number(found[3]) }
}
