import { Resolver } from 'node:dns/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type DnsFaultProxy, startDnsFaultProxy } from '../../peers/dns-fault-proxy.ts'
import { type KnotServer, srvRecords, startKnot } from '../../peers/knot.ts'

let knot: KnotServer
let proxy: DnsFaultProxy

beforeAll(async () => {
  knot = await startKnot({ zones: { 'web.example': srvRecords('small', 2), 'big.example': srvRecords('big', 300) } })
  proxy = await startDnsFaultProxy({ to: knot })
})

afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await knot[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await proxy.set({ kind: 'pass' })
  proxy.queries.length = 0
})

function count(name = 'small.web.example'): Promise<number | string> {
  const resolver = new Resolver({ timeout: 300, tries: 1 })
  resolver.setServers([proxy.server])
  return resolver.resolveSrv(name).then(
    (records) => records.length,
    ({ code }: NodeJS.ErrnoException) => code ?? 'no code',
  )
}

const transports = () => proxy.queries.map(({ transport }) => transport)

describe('the DNS fault proxy', () => {
  it('lets pass and records', async () => {
    expect(await count()).toBe(2)
    expect(proxy.queries).toMatchObject([{ transport: 'udp', name: 'small.web.example', type: 33 }])
  })

  it('lets a large answer come over TCP', async () => {
    expect(await count('big.big.example')).toBe(300)
    expect(transports()).toEqual(['udp', 'tcp'])
  })

  it.each(['SERVFAIL', 'REFUSED', 'NXDOMAIN'] as const)('answers %s', async (rcode) => {
    await proxy.set({ kind: 'answer', rcode })
    expect(await count()).toBe({ SERVFAIL: 'ESERVFAIL', REFUSED: 'EREFUSED', NXDOMAIN: 'ENOTFOUND' }[rcode])
  })

  it('truncates, and closes TCP to who comes back', async () => {
    await proxy.set({ kind: 'truncated' }, 'udp')
    expect(await count()).toBe(2)
    expect(transports()).toEqual(['udp', 'tcp'])
    await proxy.set({ kind: 'refuse' }, 'tcp')
    expect(await count()).toBe('ECONNREFUSED')
    await proxy.set({ kind: 'cut', afterBytes: 20 }, 'tcp')
    expect(await count()).toMatch(/^E/)
  })

  it('refuses datagrams, swallows and delays them', async () => {
    await proxy.set({ kind: 'refuse' }, 'udp')
    expect(await count()).toBe('ECONNREFUSED')
    await proxy.set({ kind: 'black-hole' })
    expect(await count()).toBe('ETIMEOUT')
    await proxy.set({ kind: 'delay', ms: 150 })
    const before = performance.now()
    expect(await count()).toBe(2)
    expect(performance.now() - before).toBeGreaterThan(145)
  })

  it.each(['garbage', 'wrong-id', 'wrong-question'] as const)('gives %s, which a careful client does not take', async (kind) => {
    await proxy.set({ kind })
    expect(await count()).toMatch(/^(ETIMEOUT|EBADRESP)$/)
  })
})
