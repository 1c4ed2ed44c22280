import { beforeEach, describe, expect, it } from 'vitest'
import { arpClaim, arpProbe, gratuitousArp } from '../../../../src/kernel/announce/arp.ts'
import type { LinkSocketOptions } from '../../../../src/kernel/announce/link-socket.ts'
import {
  ADVERTISEMENTS_ONLY,
  advertisedClaim,
  duplicateSolicitation,
  unsolicitedAdvertisement,
} from '../../../../src/kernel/announce/neighbour-discovery.ts'
import { announceOn, findHoldersOn, type Neighbourhood } from '../../../../src/kernel/announce/neighbours.ts'
import { ip } from '../../../support/fake-route-kernel.ts'

const OURS = Uint8Array.of(2, 0, 0, 0, 0, 1)
const THEIRS = Uint8Array.of(2, 0, 0, 0, 0, 9)
const VIP = ip('10.0.0.50')
const VIP6 = ip('2001:db8::abcd:ef50')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('ARP (RFC 826)', () => {
  it('a gratuitous ARP is a request with the address as sender and target', () => {
    expect(hex(gratuitousArp(OURS, VIP))).toBe('0001080006040001' + '020000000001' + '0a000032' + 'ffffffffffff' + '0a000032')
  })

  it('a probe has no sender address', () => {
    expect(hex(arpProbe(OURS, VIP))).toBe('0001080006040001' + '020000000001' + '00000000' + '000000000000' + '0a000032')
  })

  it('who sends claims its own address, and who probes that for which it asks', () => {
    expect(arpClaim(gratuitousArp(THEIRS, VIP))).toEqual({ address: VIP, holder: '02:00:00:00:00:09' })
    expect(arpClaim(arpProbe(THEIRS, VIP))).toEqual({ address: VIP, holder: '02:00:00:00:00:09' })
    expect(arpClaim(gratuitousArp(THEIRS, VIP).subarray(0, 27))).toBeUndefined()
    const infiniband = gratuitousArp(THEIRS, VIP)
    infiniband[1] = 32
    expect(arpClaim(infiniband)).toBeUndefined()
  })
})

describe('neighbour discovery (RFC 4861)', () => {
  const address = '20010db80000000000000000abcdef50'

  it('an unsolicited advertisement goes from the address to all nodes with the override flag', () => {
    const { bytes, to } = unsolicitedAdvertisement(OURS, VIP6)
    expect(hex(to)).toBe('333300000001')
    expect(hex(bytes.subarray(0, 40))).toBe(`6000000000203aff${address}ff020000000000000000000000000001`)
    expect(hex(bytes.subarray(40, 42))).toBe('8800')
    expect(hex(bytes.subarray(44))).toBe(`20000000${address}0201020000000001`)
    expect(checksumOf(bytes)).toBe(0xffff)
  })

  it('the question of duplicate address detection goes from nobody to the group of the address', () => {
    const { bytes, to } = duplicateSolicitation(VIP6)
    expect(hex(to)).toBe('3333ffcdef50')
    expect(hex(bytes.subarray(0, 40))).toBe(`6000000000183aff${'0'.repeat(32)}ff0200000000000000000001ffcdef50`)
    expect(hex(bytes.subarray(44))).toBe(`00000000${address}`)
    expect(checksumOf(bytes)).toBe(0xffff)
  })

  it('an advertisement claims its target, whatever else is there', () => {
    const { bytes } = unsolicitedAdvertisement(THEIRS, VIP6)
    expect(advertisedClaim(bytes)).toEqual({ address: VIP6, holder: '02:00:00:00:00:09' })
    expect(advertisedClaim(bytes.subarray(0, 64))).toEqual({ address: VIP6, holder: 'unknown' })
    expect(advertisedClaim(bytes.subarray(0, 63))).toBeUndefined()
    expect(advertisedClaim(duplicateSolicitation(VIP6).bytes)).toBeUndefined()
    expect(advertisedClaim(Object.assign(bytes.slice(), { 7: 64 }))).toBeUndefined()
  })

  it('the filter of the kernel lets nothing else in', () => {
    const { bytes } = unsolicitedAdvertisement(THEIRS, VIP6)
    expect(filtered(ADVERTISEMENTS_ONLY, bytes)).toBeGreaterThan(0)
    expect(filtered(ADVERTISEMENTS_ONLY, duplicateSolicitation(VIP6).bytes)).toBe(0)
    for (const at of [6, 7, 40]) expect(filtered(ADVERTISEMENTS_ONLY, Object.assign(bytes.slice(), { [at]: 1 }))).toBe(0)
  })
})

describe('on a link', () => {
  const link = { index: 3, neighbourAddress: '02:00:00:00:00:01' }
  let sent: string[]
  let opened: LinkSocketOptions[]
  let closed: number
  let waiting: Uint8Array[]
  let clock: number
  let full: boolean
  let place: Neighbourhood

  beforeEach(() => {
    sent = []
    opened = []
    closed = 0
    waiting = []
    clock = 0
    full = false
    place = {
      open: (options) => {
        opened.push(options)
        return {
          send: (packet, to) => {
            sent.push(`${clock} ${hex(to)} ${packet.length}`)
            return !full
          },
          receive: (into) => {
            const next = options.protocol === 0x0806 ? waiting.shift() : undefined
            if (next !== undefined) into.set(next)
            return next?.length
          },
          [Symbol.dispose]: () => void closed++,
        }
      },
      now: () => clock,
      sleep: async (milliseconds) => {
        clock += milliseconds
      },
    }
  })

  it('it is asked three times within half a second', async () => {
    expect(await findHoldersOn(link, [VIP, VIP6], place)).toEqual(new Map())
    const ask = (at: number) => [`${at} ffffffffffff 28`, `${at} 3333ffcdef50 64`]
    expect(sent).toEqual([...ask(0), ...ask(150), ...ask(300)])
    expect([clock, closed]).toEqual([500, 2])
    expect(opened).toEqual([
      { link: 3, protocol: 0x0806, listen: true },
      { link: 3, protocol: 0x86dd, listen: true, filter: ADVERTISEMENTS_ONLY },
    ])
  })

  it('a holder ends the question, and what we or others say of other addresses does not', async () => {
    const later = place.sleep
    place.sleep = async (milliseconds) => {
      if (clock === 200) waiting.push(gratuitousArp(THEIRS, VIP))
      await later(milliseconds)
    }
    waiting.push(gratuitousArp(OURS, VIP), gratuitousArp(THEIRS, ip('10.0.0.51')))
    expect(await findHoldersOn(link, [VIP], place)).toEqual(new Map([[VIP, '02:00:00:00:00:09']]))
    expect([clock, sent.length, closed]).toEqual([210, 2, 1])
  })

  it('every round of announcements has every address, and counts what left', async () => {
    expect(await announceOn(link, [VIP, VIP6], 2, place.open)).toBe(4)
    expect(sent).toEqual(['0 ffffffffffff 28', '0 ffffffffffff 28', '0 333300000001 72', '0 333300000001 72'])
    expect([opened.map(({ listen }) => listen), closed]).toEqual([[false, false], 2])
    full = true
    expect(await announceOn(link, [VIP], 5, place.open)).toBe(0)
  })

  it('without neighbours nothing is opened', async () => {
    expect(await findHoldersOn({ index: 1 }, [VIP], place)).toEqual(new Map())
    expect(await announceOn({ index: 1 }, [VIP], 5, place.open)).toBe(0)
    expect(opened).toEqual([])
  })
})

/** The sum of RFC 1071 over message and pseudo-header, which a right checksum makes 0xffff. */
function checksumOf(packet: Uint8Array): number {
  const message = packet.subarray(40)
  const pseudo = [...packet.subarray(8, 40), 0, 0, message.length >> 8, message.length & 255, 0, 0, 0, 58, ...message]
  let sum = 0
  for (let at = 0; at < pseudo.length; at += 2) sum += ((pseudo[at] ?? 0) << 8) + (pseudo[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return sum
}

/** What a program of `ldb`, `jeq` and `ret` (linux/bpf_common.h) returns. */
function filtered(program: Buffer, packet: Uint8Array): number {
  let accumulator = 0
  for (let at = 0; at < program.length; at += 8) {
    const constant = program.readUInt32LE(at + 4)
    const code = program.readUInt16LE(at)
    if (code === 0x30) accumulator = packet[constant] ?? 0
    else if (code === 0x15) at += 8 * program.readUInt8(accumulator === constant ? at + 2 : at + 3)
    else if (code === 0x06) return constant
    else throw new Error(`instruction ${code} is not known here`)
  }
  throw new Error('the program does not end')
}
