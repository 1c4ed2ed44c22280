import { Resolver } from 'node:dns/promises'
import { describe, expect, it } from 'vitest'
import { type KnotServer, srvRecords, startKnot } from '../../peers/knot.ts'

function resolverFor({ server }: Pick<KnotServer, 'server'>): Resolver {
  const resolver = new Resolver({ timeout: 1_000, tries: 1 })
  resolver.setServers([server])
  return resolver
}

describe('the DNS server of the tests', () => {
  it('is the real one: changes a zone live, refuses, fails and does not know, and comes back', async () => {
    await using knot = await startKnot({ zones: { 'web.example': '_http._tcp SRV 0 10 80 a\na A 10.1.1.1' } })
    const resolver = resolverFor(knot)
    const ask = (zone = 'web.example') => resolver.resolveSrv(`_http._tcp.${zone}`)
    expect(await ask()).toMatchObject([{ name: 'a.web.example', port: 80, weight: 10, priority: 0 }])
    await knot.zone('web.example', '_http._tcp SRV 1 2 81 b\nb AAAA 2001:db8::1')
    expect(await ask()).toMatchObject([{ name: 'b.web.example', port: 81, weight: 2, priority: 1 }])
    await knot.zone('new.example', '_http._tcp SRV 0 1 82 c')
    expect(await ask('new.example')).toMatchObject([{ port: 82 }])
    await knot.zone('web.example', 'b AAAA 2001:db8::1')
    await expect(ask()).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await knot.breakZone('web.example')
    await expect(ask()).rejects.toMatchObject({ code: 'ESERVFAIL' })
    await knot.dropZone('web.example')
    await expect(ask()).rejects.toMatchObject({ code: 'EREFUSED' })
    await knot.zone('web.example', '_http._tcp SRV 0 10 80 a')
    expect(await ask()).toMatchObject([{ name: 'a.web.example' }])
    await knot.stop()
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await knot.start()
    expect(await ask()).toMatchObject([{ name: 'a.web.example' }])
  })

  it('serves 300 records', async () => {
    await using knot = await startKnot({ zones: { 'big.example': srvRecords('_http._tcp', 300) } })
    expect(await resolverFor(knot).resolveSrv('_http._tcp.big.example')).toHaveLength(300)
    expect(await resolverFor(knot).resolve4('t300.big.example')).toEqual(['10.20.1.44'])
  })
})
