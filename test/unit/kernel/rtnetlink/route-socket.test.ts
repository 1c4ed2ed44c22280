import { expect, it } from 'vitest'
import { SystemCallError } from '../../../../src/kernel/libc.ts'
import type { NetlinkTransport } from '../../../../src/kernel/netlink/transport.ts'
import type { RouteEvent } from '../../../../src/kernel/route-kernel.ts'
import { addressDump, readInterfaceAddress } from '../../../../src/kernel/rtnetlink/address-codec.ts'
import { linkDeletion } from '../../../../src/kernel/rtnetlink/link-codec.ts'
import { RouteEvents } from '../../../../src/kernel/rtnetlink/route-events.ts'
import { RouteSocket } from '../../../../src/kernel/rtnetlink/route-socket.ts'
import { attribute, bytes32, DONE, errorMessage, message } from './by-hand.ts'

type Answer = readonly number[] | SystemCallError

function taken(answers: Answer[], into: Uint8Array): number | undefined {
  const next = answers.shift()
  if (next instanceof SystemCallError) throw next
  if (next === undefined) return undefined
  into.set(next)
  return next.length
}

/** Answers each request with the next list of datagrams. */
function kernelWith(...answers: Answer[][]) {
  let waiting: Answer[] = []
  const counts = { opened: 0, closed: 0 }
  const open = (): NetlinkTransport => {
    counts.opened++
    return {
      send: () => {
        waiting = [...(answers.shift() ?? [])]
      },
      receive: (into) => taken(waiting, into),
      [Symbol.dispose]: () => void counts.closed++,
    }
  }
  return { socket: new RouteSocket(open), counts }
}

const address = (last: number, flags = 0x2) => message(20, flags, [2, 24, 0, 0, ...bytes32(5), ...attribute(2, [10, 0, 0, last])])

async function dumped(socket: RouteSocket): Promise<string[]> {
  let found: string[] = []
  await socket.dump(
    addressDump(),
    'list the addresses',
    (one) => found.push(readInterfaceAddress(one)?.address ?? 'none'),
    () => {
      found = []
    },
  )
  return found
}

it('one socket serves all requests, and refusals say why', () => {
  const { socket, counts } = kernelWith([errorMessage(0)], [errorMessage(19)], [errorMessage(1)])
  expect(() => socket.request(linkDeletion(9), 'delete interface 9')).not.toThrow()
  const refused = expect.objectContaining({ code: 'KERNEL_REFUSED', detail: { errno: 'ENODEV' } })
  expect(() => socket.request(linkDeletion(9), 'delete interface 9')).toThrow(refused)
  const forbidden = expect.objectContaining({ code: 'NO_PERMISSION', message: expect.stringContaining('CAP_NET_ADMIN') })
  expect(() => socket.request(linkDeletion(9), 'delete interface 9')).toThrow(forbidden)
  socket[Symbol.dispose]()
  expect(counts).toEqual({ opened: 1, closed: 1 })
})

it('after an answer that cannot be read the next request has a socket of its own', () => {
  const { socket, counts } = kernelWith([[1, 2, 3]], [errorMessage(0)])
  const broken = expect.objectContaining({ code: 'NETLINK_PROTOCOL' })
  expect(() => socket.request(linkDeletion(9), 'delete interface 9')).toThrow(broken)
  socket.request(linkDeletion(9), 'delete interface 9')
  expect(counts).toEqual({ opened: 2, closed: 1 })
})

it('a dump comes in several datagrams, and its socket is closed', async () => {
  const { socket, counts } = kernelWith([[...address(1), ...address(2)], address(3), DONE])
  expect(await dumped(socket)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  expect(counts).toEqual({ opened: 1, closed: 1 })
})

it('a dump during which something changed is made again', async () => {
  const NLM_F_DUMP_INTR = 0x10
  const { socket } = kernelWith([[...address(1), ...address(2, NLM_F_DUMP_INTR)], DONE], [address(7), DONE])
  expect(await dumped(socket)).toEqual(['10.0.0.7'])
  const always = kernelWith(...Array.from({ length: 9 }, () => [address(2, NLM_F_DUMP_INTR), DONE]))
  await expect(dumped(always.socket)).rejects.toMatchObject({ code: 'KERNEL_REFUSED' })
})

it('a dump that is refused, or lost, rejects and closes its socket', async () => {
  const refused = kernelWith([errorMessage(95)])
  await expect(dumped(refused.socket)).rejects.toMatchObject({ detail: { errno: 'ENOTSUP' } })
  const lost = kernelWith([address(1), new SystemCallError('recv', 'ENOBUFS')])
  await expect(dumped(lost.socket)).rejects.toMatchObject({ detail: { errno: 'ENOBUFS' } })
  expect([refused.counts.closed, lost.counts.closed]).toEqual([1, 1])
})

it('events are handed on, and what was lost is said', () => {
  const gone = message(21, 0, [2, 32, 0, 0, ...bytes32(5), ...attribute(2, [10, 0, 0, 9])])
  const waiting: Answer[] = [gone, new SystemCallError('recv', 'ENOBUFS'), [1, 2, 3], gone]
  const heard: RouteEvent[] = []
  let readable: () => void = () => undefined
  let ends = 0
  const source = {
    receive: (into: Uint8Array) => taken(waiting, into),
    onReadable: (listener: () => void) => {
      readable = listener
      return { [Symbol.dispose]: () => void ends++ }
    },
    [Symbol.dispose]: () => void ends++,
  }
  const events = new RouteEvents((event) => heard.push(event), source)
  readable()
  expect(heard.map(({ kind }) => kind)).toEqual(['address-gone', 'lost', 'lost', 'address-gone'])
  events[Symbol.dispose]()
  expect(ends).toBe(2)
})
