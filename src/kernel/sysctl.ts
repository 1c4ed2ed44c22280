import { readFileSync, writeFileSync } from 'node:fs'
import { PointsmanError } from '../errors.ts'

/**
 * A sysctl of this process's namespaces by its dotted name (`net.ipv4.vs.conntrack`), as text without its line end;
 * undefined where the kernel has none of that name, as all of `net.ipv4.vs` before ip_vs is loaded. Dots inside one part
 * (interface names) are written `/`, as sysctl(8) does.
 */
export function readSysctl(name: string): string | undefined {
  const path = pathOf(name)
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8').trimEnd()
  } catch {
    return undefined
  }
}

/** Sets a sysctl. Throws NO_PERMISSION where this user may not, KERNEL_REFUSED where the kernel has none of that name or does not take the value. */
export function writeSysctl(name: string, value: number): void {
  const path = pathOf(name)
  const write = (to: string) => writeFileSync(to, `${value}\n`, { flag: 'r+' })
  try {
    if (path === undefined) throw Object.assign(new Error(name), { code: 'ENOENT' })
    write(path)
  } catch (cause) {
    const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    const mayNot = errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS'
    const cure = mayNot
      ? 'run as root with /proc/sys writable (in a container: --privileged, or set it on the host)'
      : 'set it by hand, or remove manage_sysctls'
    throw new PointsmanError(
      mayNot ? 'NO_PERMISSION' : 'KERNEL_REFUSED',
      `${name} cannot be set to ${value} (${errno}): ${cure}.`,
      {
        cause,
        detail: { sysctl: name, errno },
      },
    )
  }
}

function pathOf(name: string): string | undefined {
  if (!/^[\w-]+([./][\w-]+)*$/.test(name)) return undefined
  return `/proc/sys/${name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))}`
}
