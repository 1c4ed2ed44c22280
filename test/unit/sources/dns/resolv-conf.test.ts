import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { candidates, parseResolvConf, ResolvConfFile } from '../../../../src/sources/dns/resolv-conf.ts'

describe('resolv.conf', () => {
  it('names servers of both families, with zones, three at most', () => {
    const text = 'nameserver 10.0.0.2\nnameserver fe80::1%eth0 # the router\nnameserver ::1\nnameserver 10.0.0.4\n'
    expect(parseResolvConf(text).servers).toEqual([
      { address: '10.0.0.2', port: 53 },
      { address: 'fe80::1%eth0', port: 53 },
      { address: '::1', port: 53 },
    ])
  })

  it('has a search list, of which the last counts, and ndots', () => {
    expect(parseResolvConf('domain first.example\nsearch A.example. b.example\noptions rotate ndots:3 timeout:1')).toEqual({
      servers: [],
      search: ['a.example', 'b.example'],
      ndots: 3,
    })
    expect(parseResolvConf('search a b\ndomain last.example').search).toEqual(['last.example'])
    expect(parseResolvConf('options ndots:99').ndots).toBe(15)
  })

  it('passes over what makes no sense', () => {
    expect(parseResolvConf('nameserver\nnameserver ns1\n; nameserver 10.0.0.2\nsearch\noptions ndots:x\n\0')).toEqual({
      servers: [],
      search: [],
      ndots: 1,
    })
  })

  it('is read again when it has changed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pointsman-test-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'resolv.conf')
    const file = new ResolvConfFile(path)
    expect((await file.read()).servers).toEqual([])
    await writeFile(path, 'nameserver 10.0.0.2')
    await wait(1_100)
    expect((await file.read()).servers).toEqual([{ address: '10.0.0.2', port: 53 }])
  })
})

describe('the names that a name may stand for', () => {
  it.each([
    ['web', 1, ['web.a.example', 'web.b.example', 'web']],
    ['web.shop', 1, ['web.shop', 'web.shop.a.example', 'web.shop.b.example']],
    ['web.shop', 2, ['web.shop.a.example', 'web.shop.b.example', 'web.shop']],
    ['Web.', 1, ['web']],
  ])('%s with ndots:%d', (name, ndots, names) => {
    expect(candidates(name, ['a.example', 'b.example'], ndots)).toEqual(names)
  })
})
