import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type EntryIdentity,
  entryDeletion,
  entryDump,
  type FlowTargets,
  UntranslatedEntries,
} from '../../../src/kernel/conntrack/entry-codec.ts'
import { Targets } from '../../../src/kernel/conntrack/targets.ts'
import type { OriginalDestination } from '../../../src/kernel/for-sinks.ts'
import { MessageCursor } from '../../../src/kernel/netlink/message-cursor.ts'
import { openConntrackKernel } from '../../../src/kernel/open-conntrack-kernel.ts'
import { addressBytes, type IpAddress, parseAddress } from '../../../src/model/address.ts'
import {
  attribute,
  done,
  failure,
  host32,
  message,
  nest,
  netfilterMessage,
  network16,
  network32,
  scriptedSocket,
} from './support/netfilter-bytes.ts'

const NEW = 0x0100
/** `linux/netfilter/nf_conntrack_common.h`. */
const CONFIRMED = 1 << 3
const SEEN_REPLY = 1 << 1
const SRC_NAT = 1 << 4
const DST_NAT = 1 << 5
const SRC_NAT_DONE = 1 << 7

const AF_INET = 2
const AF_INET6 = 10

interface Entry {
  readonly to: string
  readonly port: number
  readonly protocol?: number
  readonly status?: number
  /** Where IPVS sent it, and the port there. */
  readonly backend?: string
  readonly backendPort?: number
  readonly more?: readonly number[][]
}

const bytesOf = (address: string) => [...addressBytes(address as IpAddress)]
/** CTA_TUPLE_ORIG: CTA_TUPLE_IP with source and destination, CTA_TUPLE_PROTO with number and ports. */
const tuple = (type: number, from: string, to: string, protocol: number, port: number, fromPort = 40_000) => {
  const [source, destination] = to.includes(':') ? [3, 4] : [1, 2]
  return nest(
    type,
    nest(1, attribute(source, bytesOf(from)), attribute(destination, bytesOf(to))),
    nest(2, attribute(1, [protocol]), attribute(2, network16(fromPort)), attribute(3, network16(port))),
  )
}
const ID = attribute(12, network32(0xdeadbeef))

function entry(listed: Entry): number[] {
  const { to, port, protocol = 17, status = CONFIRMED | SRC_NAT_DONE, backendPort = 5353, more = [ID] } = listed
  const six = to.includes(':')
  const { backend = six ? '2001:db8::b' : '10.2.0.2' } = listed
  const from = six ? '2001:db8::c' : '10.1.0.2'
  const original = tuple(1, from, to, protocol, port)
  // The reply comes from the backend.
  const reply = tuple(2, backend, from, protocol, 40_000, backendPort)
  return netfilterMessage(
    NEW,
    six ? AF_INET6 : AF_INET,
    original,
    reply,
    attribute(3, network32(status)),
    attribute(7, network32(30)),
    ...more,
  )
}

const target = (to: string, port = 53, protocol: OriginalDestination['protocol'] = 'udp'): OriginalDestination => ({
  protocol,
  address: to as IpAddress,
  port,
})

/** What is to be deleted of the messages. */
function found(targets: readonly OriginalDestination[], ...messages: readonly number[][]): EntryIdentity[] {
  return foundOf({ destinations: new Targets(targets), backends: new Targets([]), others: new Targets([]) }, messages)
}

function foundOf(targets: FlowTargets, messages: readonly number[][]): EntryIdentity[] {
  const bytes = Uint8Array.from(messages.flat())
  const entries = new UntranslatedEntries(targets, bytes)
  const cursor = new MessageCursor(bytes)
  const identities: EntryIdentity[] = []
  while (cursor.next()) {
    const identity = entries.identityOf(cursor)
    if (identity !== undefined) identities.push(identity)
  }
  return identities
}

describe('the listing', () => {
  it('asks for the entries of both families', () => {
    // Length 20, IPCTNL_MSG_CT_GET of NFNL_SUBSYS_CTNETLINK, NLM_F_REQUEST and NLM_F_DUMP, sequence, port id, nfgenmsg.
    expect([...entryDump(7)]).toEqual([20, 0, 0, 0, 1, 1, 0x01, 0x03, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  it.each<[string, Entry, OriginalDestination, number]>([
    ['untranslated', { to: '10.9.0.1', port: 53 }, target('10.9.0.1'), 1],
    ['translated', { to: '10.9.0.1', port: 53, status: CONFIRMED | SRC_NAT | SRC_NAT_DONE }, target('10.9.0.1'), 0],
    ['answered', { to: '10.9.0.1', port: 53, status: CONFIRMED | SEEN_REPLY | SRC_NAT_DONE }, target('10.9.0.1'), 0],
    ['any port', { to: '10.9.0.1', port: 53 }, target('10.9.0.1', 0), 1],
    ['another port', { to: '10.9.0.1', port: 54 }, target('10.9.0.1'), 0],
    ['another address', { to: '10.9.0.2', port: 53 }, target('10.9.0.1'), 0],
    ['another protocol', { to: '10.9.0.1', port: 53, protocol: 6 }, target('10.9.0.1'), 0],
    ['TCP', { to: '10.9.0.1', port: 80, protocol: 6 }, target('10.9.0.1', 80, 'tcp'), 1],
    ['SCTP', { to: '10.9.0.1', port: 80, protocol: 132 }, target('10.9.0.1', 80, 'sctp'), 1],
    ['IPv6', { to: '2001:db8::1', port: 53 }, target('2001:db8::1'), 1],
    ['IPv6 of the same last word', { to: '2001:db9::1', port: 53 }, target('2001:db8::1'), 0],
    ['IPv4 of the same last word', { to: '10.9.0.1', port: 53 }, target('2001:db8::a09:1'), 0],
  ])('%s', (_, listed, meant, count) => {
    expect(found([meant], entry(listed))).toHaveLength(count)
  })

  it('looks at the original direction alone: the reply of a flow to another address is none of ours', () => {
    expect(found([target('10.1.0.2', 40_000)], entry({ to: '10.9.0.1', port: 53 }))).toEqual([])
  })

  it.each<[string, Entry, readonly [string, number], number]>([
    ['sent there from any address', { to: '10.9.0.7', port: 90 }, ['10.2.0.2', 5353], 1],
    ['sent there, any port', { to: '10.9.0.7', port: 90 }, ['10.2.0.2', 0], 1],
    ['sent there over TCP', { to: '10.9.0.7', port: 90, protocol: 6 }, ['10.2.0.2', 5353], 1],
    ['sent there over IPv6', { to: '2001:db8::7', port: 90 }, ['2001:db8::b', 5353], 1],
    ['sent to another port', { to: '10.9.0.7', port: 90 }, ['10.2.0.2', 5354], 0],
    ['sent to another backend', { to: '10.9.0.7', port: 90 }, ['10.2.0.3', 5353], 0],
    ['translated', { to: '10.9.0.7', port: 90, status: CONFIRMED | SRC_NAT }, ['10.2.0.2', 5353], 0],
    ['answered', { to: '10.9.0.7', port: 90, status: CONFIRMED | SEEN_REPLY }, ['10.2.0.2', 5353], 0],
    ['sent there by a rule of NAT', { to: '10.9.0.7', port: 90, status: CONFIRMED | DST_NAT }, ['10.2.0.2', 5353], 0],
    ['gone there by itself', { to: '10.2.0.2', port: 5353 }, ['10.2.0.2', 5353], 0],
  ])('of a backend: %s', (_, listed, [address, port], count) => {
    const backends = new Targets([{ address: address as IpAddress, port }])
    const none = new Targets([])
    expect(foundOf({ destinations: none, backends, others: none }, [entry(listed)])).toHaveLength(count)
  })

  it.each<[string, Entry, number]>([
    ['that came by it', { to: '10.9.0.8', port: 90 }, 0],
    ['that came by another port of it', { to: '10.9.0.8', port: 91 }, 1],
    ['that came by another protocol', { to: '10.9.0.8', port: 90, protocol: 6 }, 1],
    ['that came by another address', { to: '10.9.0.7', port: 90 }, 1],
    ['that IPVS does not serve', { to: '10.9.0.7', port: 90, protocol: 47 }, 0],
  ])('of a backend that another service has too: one %s', (_, listed, count) => {
    const backends = new Targets([{ address: '10.2.0.2' as IpAddress, port: 5353 }])
    const others = new Targets([{ protocol: 'udp', address: '10.9.0.8' as IpAddress, port: 90 }])
    expect(foundOf({ destinations: new Targets([]), backends, others }, [entry(listed)])).toHaveLength(count)
  })

  it('passes over what has no ports and what is no entry', () => {
    const icmp = netfilterMessage(
      NEW,
      AF_INET,
      nest(1, nest(1, attribute(2, bytesOf('10.9.0.1'))), nest(2, attribute(1, [1]))),
      attribute(3, network32(0)),
    )
    expect(found([target('10.9.0.1', 0)], icmp, message(3, host32(0)))).toEqual([])
  })

  it('does not believe an attribute that ends behind its message', () => {
    const cut = entry({ to: '10.9.0.1', port: 53 })
    cut.splice(24, 2, 0xff, 0x00)
    expect(() => found([target('10.9.0.1')], cut)).toThrow(/does not fit/)
  })
})

describe('a deletion', () => {
  it('repeats tuple, zone and number as the kernel sent them', () => {
    const ZONE = attribute(18, network16(5))
    const [identity] = found(
      [target('10.9.0.1')],
      entry({ to: '10.9.0.1', port: 53, more: [ZONE, attribute(8, network32(1)), ID] }),
    )
    if (identity === undefined) throw new Error('not found')
    const body = [AF_INET, 0, 0, 0, ...tuple(1, '10.1.0.2', '10.9.0.1', 17, 53), ...ZONE, ...ID]
    // NLM_F_REQUEST and NLM_F_ACK.
    expect([...entryDeletion(identity, 9)]).toEqual(message(0x0102, body, 9, 0x05))
  })
})

describe('targets', () => {
  it('are found as by comparing one by one', () => {
    const address = fc.oneof(fc.constantFrom('10.0.0.1', '10.0.0.2', '::a00:1', '2001:db8::a00:1'), fc.ipV4(), fc.ipV6())
    const destination = fc.record({
      protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
      address: address.map(parseAddress).filter((parsed) => parsed !== undefined),
      port: fc.constantFrom(0, 53, 80, 65_535),
    })
    const NUMBERS = { tcp: 6, udp: 17, sctp: 132 }
    fc.assert(
      fc.property(fc.array(destination), destination, (all, { protocol, address, port }) => {
        const bytes = Uint8Array.of(1, 2, 3, ...addressBytes(address), 4)
        const has = new Targets(all).has(bytes, 3, bytes.length - 4, NUMBERS[protocol], port)
        const isOne = (each: OriginalDestination) => each.address === address && (each.port === port || each.port === 0)
        expect(has).toBe(all.some((each) => isOne(each) && each.protocol === protocol))
      }),
    )
  })
})

describe('deleteUntranslated', () => {
  /** A kernel with these entries: each listing gives the next list; a deletion is answered with the next errno, or done. */
  function kernelWith(listings: readonly (readonly number[][])[], errnos: readonly number[] = []) {
    const answers = { listings: [...listings], errnos: [...errnos] }
    const sockets: ReturnType<typeof scriptedSocket>[] = []
    const open = () => {
      const socket = scriptedSocket((request) => {
        if (request[4] === 1) return answers.listings.shift() ?? [done()]
        return [failure(answers.errnos.shift() ?? 0, request[8])]
      })
      sockets.push(socket)
      return socket
    }
    const kernel = openConntrackKernel({ open, sysctl: () => undefined })
    const deletions = () => sockets.flatMap(({ sent }) => sent).filter((request) => request[4] === 2)
    return { kernel, deletions, sockets }
  }
  const dns = entry({ to: '10.9.0.1', port: 53 })
  const web = entry({ to: '10.9.0.1', port: 80, protocol: 6 })

  it('deletes while it lists, and looks again until nothing is left', async () => {
    const { kernel, deletions, sockets } = kernelWith([
      [
        [...dns, ...web],
        [...dns, ...done()],
      ],
      [dns, done()],
      [done()],
    ])
    expect(await kernel.deleteUntranslated([target('10.9.0.1')])).toBe(3)
    expect(deletions()).toHaveLength(3)
    expect(sockets.map(({ closed }) => closed)).toEqual(Array(6).fill(true))
  })

  it('makes three listings at most', async () => {
    const { kernel } = kernelWith([[[...dns, ...done()]], [[...dns, ...done()]], [[...dns, ...done()]], [[...dns, ...done()]]])
    expect(await kernel.deleteUntranslated([target('10.9.0.1')])).toBe(3)
  })

  it('looks again when the kernel says that the listing is torn (NLM_F_DUMP_INTR)', async () => {
    const { kernel } = kernelWith([[message(3, host32(0), 1, 0x10)], [[...dns, ...done()]], [done()]])
    expect(await kernel.deleteUntranslated([target('10.9.0.1')])).toBe(1)
  })

  it('does not count what was gone already (ENOENT) or is offloaded (EBUSY)', async () => {
    const { kernel } = kernelWith([[[...dns, ...dns, ...dns, ...done()]]], [2, 16])
    expect(await kernel.deleteUntranslated([target('10.9.0.1')])).toBe(1)
  })

  it('asks nothing without targets', async () => {
    const { kernel, sockets } = kernelWith([])
    expect(await kernel.deleteUntranslated([])).toBe(0)
    expect(sockets).toEqual([])
  })

  it.each([
    [1, 'NO_PERMISSION', /CAP_NET_ADMIN/],
    [22, 'KERNEL_REFUSED', /modprobe nf_conntrack_netlink/],
    [12, 'KERNEL_REFUSED', /connection tracking with ENOMEM/],
  ])('errno %i to the listing is %s', async (errno, code, sentence) => {
    const { kernel, sockets } = kernelWith([[failure(errno)]])
    await expect(kernel.deleteUntranslated([target('10.9.0.1')])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(sentence),
    })
    expect(sockets.map(({ closed }) => closed)).toEqual([true, true])
  })

  it('is refused where a deletion is', async () => {
    const { kernel } = kernelWith([[[...dns, ...done()]]], [1])
    await expect(kernel.deleteUntranslated([target('10.9.0.1')])).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })
})

describe('usage', () => {
  const open = () => scriptedSocket(() => [])

  it('is what the kernel has in /proc/sys', () => {
    const values: Record<string, string> = {
      'net.netfilter.nf_conntrack_count': '17',
      'net.netfilter.nf_conntrack_max': '262144',
    }
    expect(openConntrackKernel({ open, sysctl: (name) => values[name] }).usage()).toEqual({ count: 17, max: 262_144 })
  })

  it('is undefined before conntrack is at work', () => {
    expect(openConntrackKernel({ open, sysctl: () => undefined }).usage()).toBeUndefined()
  })
})
