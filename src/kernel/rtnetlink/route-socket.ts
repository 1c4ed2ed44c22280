import { PointsmanError } from '../../errors.ts'
import { SystemCallError } from '../libc.ts'
import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from '../netlink/constants.ts'
import { type Refusal, readErrorReply } from '../netlink/error-reply.ts'
import { exchange, LARGEST_DATAGRAM, receiveDatagram } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { openNetlinkSocket } from '../netlink/netlink-socket.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { Pace } from '../pace.ts'
import { NETLINK_ROUTE } from './constants.ts'

/** How often a dump is begun anew because the tables changed meanwhile. */
const ATTEMPTS = 8

/**
 * Requests and dumps to rtnetlink from the main thread: a request is one short call into the kernel, a dump hands control back between its
 * datagrams of at most 32 KiB.
 */
export class RouteSocket implements Disposable {
  readonly #open: () => NetlinkTransport
  readonly #buffer = Buffer.alloc(LARGEST_DATAGRAM)
  #requests: NetlinkTransport | undefined

  constructor(open: () => NetlinkTransport = () => openNetlinkSocket(NETLINK_ROUTE)) {
    this.#open = open
  }

  /** Throws NO_PERMISSION, NETLINK_PROTOCOL, or KERNEL_REFUSED. `to`: what is asked, as it goes into `to …`. */
  request(bytes: Uint8Array, to: string): void {
    const refusal = inSentences(to, () => {
      this.#requests ??= this.#open()
      try {
        return exchange(this.#requests, bytes, this.#buffer)
      } catch (error) {
        // An answer that came to nobody must not be taken for that of the next request.
        this[Symbol.dispose]()
        throw error
      }
    })
    if (refusal !== undefined) throw refused(to, refusal)
  }

  /** Every message of a dump goes to `visit`; `reset` is called before another attempt. Rejects as `request` throws. */
  async dump(bytes: Uint8Array, to: string, visit: (message: MessageCursor) => void, reset: () => void): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      reset()
      if (await this.#dumpOnce(bytes, to, visit)) return
    }
    throw refused(to, { errno: 'EINTR', message: 'interfaces and addresses change all the time' })
  }

  /** False where the kernel says that the answer is not of one moment. */
  async #dumpOnce(bytes: Uint8Array, to: string, visit: (message: MessageCursor) => void): Promise<boolean> {
    using transport = inSentences(to, this.#open)
    const buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
    const cursor = new MessageCursor(buffer)
    const pace = new Pace()
    let whole = true
    inSentences(to, () => transport.send(bytes))
    for (;;) {
      cursor.over(
        0,
        inSentences(to, () => receiveDatagram(transport, buffer)),
      )
      while (cursor.next()) {
        if ((cursor.flags & NLM_F_DUMP_INTR) !== 0) whole = false
        if (cursor.type === NLMSG_DONE) return whole
        if (cursor.type !== NLMSG_ERROR) visit(cursor)
        else {
          const refusal = readErrorReply(cursor)
          if (refusal !== undefined) throw refused(to, refusal)
        }
      }
      if (pace.late()) await pace.rest()
    }
  }

  [Symbol.dispose](): void {
    this.#requests?.[Symbol.dispose]()
    this.#requests = undefined
  }
}

/** Runs system calls and gives what fails as a PointsmanError. */
export function inSentences<T>(to: string, calls: () => T): T {
  try {
    return calls()
  } catch (error) {
    if (error instanceof SystemCallError) throw refusedCall(error, to)
    throw error
  }
}

/** A system call that failed, in a sentence. */
export function refusedCall({ errno, message }: SystemCallError, to: string): PointsmanError {
  return refused(to, { errno, message })
}

function refused(to: string, { errno, message }: Refusal): PointsmanError {
  if (errno === 'EPERM') {
    const sentence = `The kernel does not let this user ${to}: run Pointsman with CAP_NET_ADMIN and CAP_NET_RAW.`
    return new PointsmanError('NO_PERMISSION', sentence, { detail: { errno } })
  }
  const words = message === undefined ? errno : `${errno}: ${message}`
  return new PointsmanError('KERNEL_REFUSED', `The kernel refused to ${to} (${words})${cureOf(errno)}`, { detail: { errno } })
}

function cureOf(errno: string): string {
  switch (errno) {
    case 'EACCES':
      return ': IPv6 is switched off on that interface; set net.ipv6.conf.INTERFACE.disable_ipv6 to 0.'
    case 'ENODEV':
      return ': there is no such interface any more.'
    case 'ENETDOWN':
      return ': the interface is down; set it up.'
    default:
      return '; it is tried again.'
  }
}
