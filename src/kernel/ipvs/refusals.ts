import { PointsmanError } from '../../errors.ts'
import type { SystemCallError } from '../libc.ts'
import type { Refusal } from '../netlink/error-reply.ts'

export function noPermission(): PointsmanError {
  return new PointsmanError(
    'NO_PERMISSION',
    'The kernel refuses access to its IPVS table (EPERM): run Pointsman as root or with the capability CAP_NET_ADMIN of the host (systemd: AmbientCapabilities=CAP_NET_ADMIN; containers: --cap-add NET_ADMIN and no user namespace).',
  )
}

export function ipvsMissing(why: string | undefined): PointsmanError {
  return new PointsmanError(
    'IPVS_MISSING',
    `This kernel has no IPVS${why === undefined ? '' : ` (modprobe ip_vs: ${why})`}: load its module with \`modprobe ip_vs\` on the host, or boot a kernel that has it (CONFIG_IP_VS).`,
  )
}

/** The kernel said no to a question of ours. */
export function kernelRefused(what: string, refusal: Refusal): PointsmanError {
  if (refusal.errno === 'EPERM') return noPermission()
  const words = refusal.message === undefined ? '' : `: ${refusal.message}`
  return new PointsmanError(
    'KERNEL_REFUSED',
    `The kernel refused to ${what} with ${refusal.errno}${words}. It is tried again at the next pass; \`pointsman doctor\` looks for the reason.`,
    { detail: { errno: refusal.errno } },
  )
}

/** A system call of ours that failed. */
export function systemCallFailed(error: SystemCallError): PointsmanError {
  if (error.errno === 'EPERM' || error.errno === 'EACCES') return noPermission()
  return new PointsmanError(
    'KERNEL_REFUSED',
    `The kernel refused a netlink call (${error.call}: ${error.errno}). It is tried again at the next pass; \`pointsman doctor\` looks for the reason.`,
    { cause: error, detail: { errno: error.errno } },
  )
}
