import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { NftChange } from '../../../src/kernel/for-sinks.ts'
import { SystemCallError } from '../../../src/kernel/libc.ts'
import { askGeneration } from '../../../src/kernel/nftables/generation.ts'
import { RulesetWatch } from '../../../src/kernel/nftables/ruleset-watch.ts'
import { TransactionReader } from '../../../src/kernel/nftables/transactions.ts'
import { attribute, failure, message, netfilterMessage, network32, scriptedSocket, text } from './support/netfilter-bytes.ts'

/** `linux/netfilter/nf_tables.h` under NFNL_SUBSYS_NFTABLES. */
const NEWTABLE = 0x0a00
const DELTABLE = 0x0a02
const NEWSETELEM = 0x0a0c
const NEWGEN = 0x0a0f
const INET = 1
const IP6 = 10

const table = (type: number, family: number, name: string) =>
  netfilterMessage(type, family, attribute(1, text(name)), attribute(2, network32(0)))
const element = (family: number, tableName: string) =>
  netfilterMessage(NEWSETELEM, family, attribute(1, text(tableName)), attribute(2, text('pairs')))
/** NFTA_GEN_ID, NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME. */
const generation = (id: number) =>
  netfilterMessage(NEWGEN, 0, attribute(1, network32(id)), attribute(2, network32(4711)), attribute(3, text('nft')))

describe('transactions', () => {
  const read = (...datagrams: number[][]) => {
    const reader = new TransactionReader()
    return datagrams.flatMap((datagram) => reader.read(Uint8Array.from(datagram)))
  }

  it('are closed by the new generation and name the tables, over several datagrams', () => {
    const elements = [...element(INET, 'ours'), ...element(INET, 'ours'), ...element(IP6, 'ours'), ...element(INET, 'ours')]
    expect(
      read([...table(NEWTABLE, INET, 'ours'), ...elements], generation(7), [...table(DELTABLE, 42, 'odd'), ...generation(8)]),
    ).toEqual([
      { generation: 7, tables: new Set(['inet ours', 'ip6 ours']) },
      { generation: 8, tables: new Set(['42 odd']) },
    ])
  })

  it('pass over messages of other subsystems', () => {
    expect(read([...message(0x0101, [2, 0, 0, 0]), ...generation(1)])).toEqual([{ generation: 1, tables: new Set() }])
  })

  it('are not believed when a generation has no number', () => {
    expect(() => read(netfilterMessage(NEWGEN, 0))).toThrow(/a generation has no number/)
  })
})

describe('the generation', () => {
  it('is asked for with NFT_MSG_GETGEN', () => {
    const socket = scriptedSocket(() => [[...generation(0x01020304)], failure(0)])
    expect(askGeneration(socket, Buffer.alloc(1024))).toBe(0x01020304)
    expect([...(socket.sent[0] ?? [])]).toEqual(message(0x0a10, [0, 0, 0, 0], 1, 0x05))
  })

  it('gives the refusal', () => {
    expect(
      askGeneration(
        scriptedSocket(() => [failure(1)]),
        Buffer.alloc(1024),
      ),
    ).toEqual({ errno: 'EPERM' })
  })

  it('is missed in an answer without it', () => {
    expect(() =>
      askGeneration(
        scriptedSocket(() => [failure(0)]),
        Buffer.alloc(1024),
      ),
    ).toThrow(/generation of the ruleset/)
  })
})

describe('who watches the ruleset', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setImmediate', 'clearImmediate'] }))
  afterEach(() => void vi.useRealTimers())

  /** A watch over datagrams; an errno in their place is what a receive fails with. */
  function watch() {
    const queue: (number[] | string)[] = []
    const told: NftChange[] = []
    let announce = () => {}
    const ended: string[] = []
    const source = {
      receive(into: Uint8Array) {
        const next = queue.shift()
        if (typeof next === 'string') throw new SystemCallError('recv', next)
        if (next === undefined) return undefined
        into.set(next)
        return next.length
      },
      onReadable(listener: () => void) {
        announce = listener
        return { [Symbol.dispose]: () => void ended.push('poll') }
      },
      [Symbol.dispose]: () => void ended.push('socket'),
    }
    const watching = new RulesetWatch((change) => told.push(change), source)
    const hear = (...datagrams: (number[] | string)[]) => {
      queue.push(...datagrams)
      announce()
    }
    return { watching, hear, told, ended, queue }
  }

  it('is told once a turn, of all tables', () => {
    const { hear, told } = watch()
    hear([...table(NEWTABLE, INET, 'one'), ...generation(1)])
    hear([...table(NEWTABLE, INET, 'other'), ...generation(2)])
    expect(told).toEqual([])
    vi.runAllTimers()
    expect(told).toEqual([{ tables: new Set(['inet one', 'inet other']) }])
    vi.runAllTimers()
    expect(told).toHaveLength(1)
  })

  it('is not told of half a transaction', () => {
    const { hear, told } = watch()
    hear(element(INET, 'ours'))
    vi.runAllTimers()
    expect(told).toEqual([])
    hear(generation(1))
    vi.runAllTimers()
    expect(told).toEqual([{ tables: new Set(['inet ours']) }])
  })

  it('is not told of our own, heard before or after the call came back, but of those beside it', () => {
    const { watching, hear, told, queue } = watch()
    watching.hold()
    hear([...table(NEWTABLE, INET, 'theirs'), ...generation(1)], [...element(INET, 'ours'), ...generation(2)])
    vi.runAllTimers()
    expect(told).toEqual([])
    watching.release(2)
    vi.runAllTimers()
    expect(told).toEqual([{ tables: new Set(['inet theirs']) }])
    watching.hold()
    queue.push(element(INET, 'ours'), generation(3))
    watching.release(3)
    vi.runAllTimers()
    expect(told).toHaveLength(1)
  })

  it('is told also where we write without a pause', () => {
    const { watching, hear, told } = watch()
    watching.hold()
    hear([...table(NEWTABLE, INET, 'theirs'), ...generation(1)])
    watching.release(2)
    watching.hold()
    vi.runAllTimers()
    expect(told).toEqual([{ tables: new Set(['inet theirs']) }])
  })

  it('is told of one that may be ours and may not', () => {
    const { watching, hear, told } = watch()
    watching.hold()
    hear([...element(INET, 'ours'), ...generation(2)])
    watching.release(undefined)
    vi.runAllTimers()
    expect(told).toEqual([{ tables: new Set(['inet ours']) }])
  })

  it.each<[string, string | number[]]>([
    ['messages were lost', 'ENOBUFS'],
    ['what came cannot be read', [1, 2, 3]],
  ])('is told that it may be any table when %s, and reads on', (_, trouble) => {
    const { hear, told, queue } = watch()
    hear(element(INET, 'half'), trouble, [...table(NEWTABLE, INET, 'one'), ...generation(5)])
    expect(queue).toEqual([])
    vi.runAllTimers()
    expect(told).toEqual([{ tables: undefined }])
    hear([...table(NEWTABLE, INET, 'two'), ...generation(6)])
    vi.runAllTimers()
    expect(told[1]).toEqual({ tables: new Set(['inet two']) })
  })

  it('stops at an error that does not pass', () => {
    const { hear, told, queue } = watch()
    hear('EBADF', generation(1))
    expect(queue).toHaveLength(1)
    vi.runAllTimers()
    expect(told).toEqual([{ tables: undefined }])
  })

  it('is told nothing after its end, and closes the socket after the poll', () => {
    const { watching, hear, told, ended } = watch()
    hear(generation(1))
    watching[Symbol.dispose]()
    vi.runAllTimers()
    expect(told).toEqual([])
    expect(ended).toEqual(['poll', 'socket'])
  })
})
