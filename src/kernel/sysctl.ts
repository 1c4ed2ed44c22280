import { readFileSync } from 'node:fs'

/**
 * A sysctl of this process's namespaces by its dotted name (`net.ipv4.vs.conntrack`), as text without its line end;
 * undefined where the kernel has none of that name, as all of `net.ipv4.vs` before ip_vs is loaded. Dots inside one part
 * (interface names) are written `/`, as sysctl(8) does.
 */
export function readSysctl(name: string): string | undefined {
  if (!/^[\w-]+([./][\w-]+)*$/.test(name)) return undefined
  const path = name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trimEnd()
  } catch {
    return undefined
  }
}
