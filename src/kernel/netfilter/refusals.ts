import { PointsmanError } from '../../errors.ts'
import { SystemCallError } from '../libc.ts'
import type { Refusal } from '../netlink/error-reply.ts'

/** The kernel said no to a question about `what` (`nftables`, `connection tracking`). */
export function netfilterRefused(what: string, { errno, message }: Refusal, cause?: unknown): PointsmanError {
  if (errno === 'EPERM' || errno === 'EACCES') return noPermission(what)
  const words = message === undefined ? '' : `: ${message}`
  return new PointsmanError(
    'KERNEL_REFUSED',
    `The kernel refused a question about ${what} with ${errno}${words}. It is tried again at the next pass; \`pointsman doctor\` looks for the reason.`,
    { detail: { errno }, ...(cause !== undefined && { cause }) },
  )
}

/** Runs system calls and gives one that fails as a PointsmanError. */
export function refusedInWords<T>(what: string, calls: () => T): T {
  try {
    return calls()
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error
    throw netfilterRefused(what, { errno: error.errno, message: error.call }, error)
  }
}

export function noPermission(what: string): PointsmanError {
  return new PointsmanError(
    'NO_PERMISSION',
    `The kernel refuses access to its ${what} (EPERM): run Pointsman as root or with the capability CAP_NET_ADMIN of the host (systemd: AmbientCapabilities=CAP_NET_ADMIN; containers: --cap-add NET_ADMIN and no user namespace).`,
    { detail: { errno: 'EPERM' } },
  )
}
