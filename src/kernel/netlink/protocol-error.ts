import { PointsmanError } from '../../errors.ts'

/** The kernel's bytes are not what netlink promises: nothing of the answer is used. */
export function protocolError(what: string): PointsmanError {
  return new PointsmanError(
    'NETLINK_PROTOCOL',
    `The kernel's netlink answer cannot be read: ${what}. It is asked again at the next pass; if this stays, report it with the kernel's version (uname -r).`,
  )
}
