import { describe, expect, it } from 'vitest'
import { addressOn, addressTowards, interfaceWith } from '../../../src/health/source-address.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { throughVip, type VipRoad } from '../../../src/health/through-vip.ts'
import { wayBackLacks } from '../../../src/health/way-back.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { Forwarding } from '../../../src/model/destination.ts'
import { endpoint } from '../../support/desired.ts'

const at = (text: string) => text as IpAddress
const LOOPBACK = at('127.0.0.1')
const VIP: ProbeTarget = { ...endpoint('10.0.0.1:80'), mark: 100 }

/** What becomes of a probe, and what was asked at last. */
async function ask(
  { method = 'nat', link, ...road }: Partial<VipRoad> & { readonly method?: Forwarding['method']; readonly link?: string } = {},
  sysctls: Record<string, number> = {},
  target = VIP,
) {
  const asked: ProbeTarget[] = []
  const way: VipRoad = {
    towards: LOOPBACK,
    stands: async () => true,
    sources: [],
    isVirtual: () => false,
    leavesBy: () => link,
    lacks: (source) => wayBackLacks(source, method, { readSysctl: (name) => sysctls[name], link }),
    ...road,
  }
  const probe = throughVip(target, way, (marked) => async () => {
    asked.push(marked)
    return { outcome: 'passed' }
  })
  const result = await probe(AbortSignal.timeout(2_000))
  return { asked, result }
}

const unknown = (message: string) => ({ asked: [], result: { outcome: 'unknown', message } })
const PASSED = { outcome: 'passed' }

describe('a probe through the virtual address', () => {
  it('comes from the address that leads to the backend, unless one is written', async () => {
    expect(await ask()).toEqual({ asked: [{ ...VIP, sourceAddress: '127.0.0.1' }], result: PASSED })
    const sources = [at('fd00::9'), at('10.0.0.9')]
    expect((await ask({ sources })).asked).toEqual([{ ...VIP, sourceAddress: '10.0.0.9' }])
    expect((await ask({ sources }, {}, { ...VIP, sourceAddress: at('10.0.0.8') })).asked).toMatchObject([
      { sourceAddress: '10.0.0.8' },
    ])
  })

  it('is not asked before its service is in the kernel, nor from a virtual address', async () => {
    expect(await ask({ stands: async () => false })).toEqual(unknown('the kernel has no way for probes through 10.0.0.1:80 yet'))
    expect(await ask({ isVirtual: () => true })).toEqual(
      unknown(
        '127.0.0.1 is a virtual address, from which no probe can come: write global.probe_source: with an address of this host',
      ),
    )
  })

  it('needs a written address where backend and virtual address are of two families', async () => {
    expect(await ask({ towards: at('fd00::1'), method: 'tunnel' })).toEqual(
      unknown(
        'a probe of fd00::1 through 10.0.0.1 has no address to come from: write global.probe_source: with an address of this host of the family of 10.0.0.1',
      ),
    )
    expect((await ask({ towards: at('fd00::1'), sources: [LOOPBACK] })).result).toEqual(PASSED)
  })

  const WHY = 'answers of direct backends come from the virtual address itself, and the kernel drops them: sysctl -w'

  it.each([
    [{}, `${WHY} net.ipv4.conf.lo.accept_local=1`],
    [{ 'net.ipv4.conf.lo.accept_local': 0, 'net.ipv4.conf.all.accept_local': 0 }, `${WHY} net.ipv4.conf.lo.accept_local=1`],
    [{ 'net.ipv4.conf.lo.accept_local': 1, 'net.ipv4.conf.lo.rp_filter': 1 }, `${WHY} net.ipv4.conf.lo.rp_filter=2`],
    [{ 'net.ipv4.conf.all.accept_local': 1, 'net.ipv4.conf.all.rp_filter': 1 }, `${WHY} net.ipv4.conf.all.rp_filter=2`],
    [
      { 'net.ipv4.conf.lo.accept_local': 1, 'net.ipv4.conf.lo.rp_filter': 1, 'net.ipv4.conf.all.rp_filter': 1 },
      `${WHY} net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.lo.rp_filter=2`,
    ],
  ])('of a backend with direct routing is unknown while %j', async (sysctls, message) => {
    expect(await ask({ method: 'direct' }, sysctls)).toEqual(unknown(message))
  })

  it.each([
    { 'net.ipv4.conf.lo.accept_local': 1 },
    { 'net.ipv4.conf.all.accept_local': 1, 'net.ipv4.conf.lo.rp_filter': 2 },
    { 'net.ipv4.conf.lo.accept_local': 1, 'net.ipv4.conf.all.rp_filter': 2, 'net.ipv4.conf.lo.rp_filter': 1 },
  ])('of a backend with direct routing or a tunnel is asked under %j', async (sysctls) => {
    expect((await ask({ method: 'direct' }, sysctls)).result).toEqual(PASSED)
    expect((await ask({ method: 'tunnel' }, sysctls)).result).toEqual(PASSED)
  })

  it('asks for those of the interface that leads to the backend, wherever its own address is', async () => {
    const here = { 'net.ipv4.conf.lo.accept_local': 1 }
    expect(await ask({ method: 'direct', link: 'eth0.7' }, here)).toEqual(unknown(`${WHY} net.ipv4.conf.eth0/7.accept_local=1`))
    expect((await ask({ method: 'direct', link: 'eth0' }, { 'net.ipv4.conf.eth0.accept_local': 1 })).result).toEqual(PASSED)
  })

  it('asks for no sysctl over IPv6', async () => {
    const target = { ...endpoint('[fd00::1]:80'), mark: 1 }
    expect((await ask({ method: 'direct', towards: at('::1') }, {}, target)).asked).toEqual([{ ...target, sourceAddress: '::1' }])
  })

  it('says which address no interface has', async () => {
    expect(await ask({ method: 'direct', sources: [at('192.0.2.9')] })).toEqual(
      unknown('no interface that is up has 192.0.2.9, where probes are to come from'),
    )
  })
})

describe('an address of the interface to the backend', () => {
  const on = (...cidrs: string[]) => cidrs.map((cidr) => ({ address: cidr.split('/')[0] as string, cidr }))
  const interfaces = {
    lo: on('127.0.0.1/8', '10.9.0.9/32'),
    eth0: on('10.9.0.1/32', '192.0.2.2/24', 'fe80::1/64', '2001:db8::50/128', '2001:db8::2/64'),
    'eth0:pm': on('10.9.0.2/32', '10.2.1.1/24'),
    eth1: on('10.9.0.3/32'),
  }
  const isFree = (address: IpAddress) => !['10.9.0.1', '10.9.0.2', '10.9.0.3', '2001:db8::50'].includes(address)

  it.each([
    ['10.2.1.3', 'eth0', '10.2.1.1'],
    ['198.51.100.3', 'eth0', '192.0.2.2'],
    ['2001:db8::3', 'eth0', '2001:db8::2'],
    ['10.2.1.3', 'eth1', undefined],
    ['10.2.1.3', 'eth2', undefined],
  ])('for probes to %s by %s is %s', (towards, link, found) => {
    expect(addressOn(link, at(towards), isFree, interfaces)).toBe(found)
  })
})

describe('the address towards another one', () => {
  it('is that of the route, and undefined where there is none', async () => {
    expect(await addressTowards(at('127.0.0.9'))).toBe('127.0.0.1')
    expect(await addressTowards(at('::1'))).toBe('::1')
    // Reserved (RFC 1112, section 4): the kernel routes it nowhere.
    expect(await addressTowards(at('255.255.255.255'))).toBeUndefined()
  })

  it('belongs to an interface', () => {
    expect(interfaceWith(LOOPBACK)).toBe('lo')
    expect(interfaceWith(at('192.0.2.9'))).toBeUndefined()
  })
})
