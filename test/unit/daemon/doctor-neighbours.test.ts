import { describe, expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { diagnoseNeighbours } from '../../../src/daemon/doctor/diagnose-neighbours.ts'
import { diagnoseWayBack } from '../../../src/daemon/doctor/diagnose-way-back.ts'
import type { DoctorFacts, Finding, Neighbourhood } from '../../../src/daemon/doctor/facts.ts'
import { gatherFacts } from '../../../src/daemon/doctor/gather.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import { networkLink } from '../../support/fake-route-kernel.ts'
import { FakeHost } from './fake-host.ts'

function configurationOf(keys: string) {
  const bytes = Buffer.from(`services:\n  - { name: web, ${keys} }\n`)
  const loaded = loadConfiguration({ path: 'c.yaml', bytes })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration
}

const ETHER = { up: true, carrier: true, loopback: false, neighbourAddress: '02:00:00:00:00:01' }
const LINKS: Neighbourhood['links'] = [
  { name: 'lo', index: 1, up: true, carrier: true, loopback: true },
  { name: 'eth0', index: 2, ...ETHER },
  { name: 'eth1', index: 3, ...ETHER },
  { name: 'vip0', index: 4, up: true, carrier: true, loopback: false, kind: 'dummy' },
]
const on = (link: number, address: string, prefixLength: number) => ({
  link,
  address: address as IpAddress,
  prefixLength,
  deprecated: false,
})
const HELD = [
  on(1, '127.0.0.1', 8),
  on(2, '10.1.0.1', 24),
  on(3, '10.2.0.1', 24),
  on(3, 'fd00:2::1', 64),
  on(1, '10.9.0.9', 32),
  on(1, 'fd00:2::9', 128),
]
const arp = (ignore: number, announce: number) => new Map(['eth0', 'eth1'].map((name) => [name, { ignore, announce }]))

function facts(
  keys: string,
  more: { arp?: Neighbourhood['arp']; held?: Neighbourhood['held']; raw?: boolean } = {},
): DoctorFacts {
  const { arp: inForce = arp(0, 2), held = HELD, raw = true } = more
  return {
    configuration: configurationOf(keys),
    neighbourhood: { links: LINKS, held, arp: inForce },
    capabilities: new Set(raw ? ['CAP_NET_RAW'] : []),
  } as unknown as DoctorFacts
}

const said = (findings: readonly Finding[]) =>
  findings.map(({ verdict, message, cure }) => `${verdict} ${message}${cure === undefined ? '' : ` -> ${cure}`}`)

describe('the way back to snat_ip', () => {
  const wayBack = (snat: string, ...backends: string[]) =>
    said(
      diagnoseWayBack(
        facts(
          `listen: "${backends[0]?.startsWith('[') ? '[2001:db8::1]' : '10.9.0.1'}:80", full_nat: true, ${snat} backends: [${backends.map((each) => `"${each}"`)}]`,
        ),
      ),
    )

  test('is there where it is in the network of the backends', () => {
    expect(wayBack('snat_ip: 10.2.0.9,', '10.2.0.11:80', '10.2.0.12:80')).toEqual([
      'ok 10.2.0.11 and 10.2.0.12 of web need no route: snat_ip 10.2.0.9 is in their network',
    ])
  })

  test('needs a route by the address of this host where it is in another network', () => {
    expect(wayBack('snat_ip: 10.9.0.9,', '10.2.0.11:80', '10.1.0.11:80', '10.2.0.12:81', '10.2.0.13:81')).toEqual([
      'warn 3 backends of web and snat_ip 10.9.0.9 are in different networks: replies need a route to it by this host -> make sure of one there, such as "ip route add 10.9.0.9 via 10.2.0.1", or leave snat_ip out',
      'warn 10.1.0.11 of web and snat_ip 10.9.0.9 are in different networks: replies need a route to it by this host -> make sure of one there, such as "ip route add 10.9.0.9 via 10.1.0.1", or leave snat_ip out',
    ])
  })

  test('has each address of a range looked at', () => {
    expect(wayBack('snat_ip: 10.2.0.254-10.2.1.1,', '10.2.0.11:80')).toEqual([
      expect.stringMatching(
        /^warn 10\.2\.0\.11 .* snat_ip 10\.2\.0\.254-10\.2\.1\.1 are in different networks.*"ip route add 10\.2\.0\.254 via 10\.2\.0\.1" for each of its addresses/,
      ),
    ])
  })

  test('cannot be seen behind a router', () => {
    expect(wayBack('snat_ip: 10.9.0.9,', '192.168.4.10:53')).toEqual([
      'warn 192.168.4.10 of web is behind a router: whether replies to snat_ip 10.9.0.9 come here cannot be seen -> make sure that the routers send it to this host',
    ])
  })

  test('is none over IPv6 where the address is on another interface', () => {
    expect(wayBack('snat_ip: "fd00:2::9",', '[fd00:2::11]:80')).toEqual([
      expect.stringMatching(/^warn snat_ip fd00:2::9 is in the network of fd00:2::11 of web and on another interface/),
    ])
  })

  test('is no question without snat_ip, for backends on this host, and where nothing could be read', () => {
    expect(wayBack('', '10.2.0.11:80')).toEqual([])
    expect(wayBack('snat_ip: 10.9.0.9,', '10.2.0.1:80')).toEqual([])
    const { neighbourhood: _, ...blind } = facts(
      'listen: 10.9.0.1:80, full_nat: true, snat_ip: 10.9.0.9, backends: [10.2.0.11:80]',
    )
    expect(diagnoseWayBack(blind as DoctorFacts)).toEqual([])
  })

  test('is said not to be looked at for backends of a source', () => {
    const keys = 'listen: 10.9.0.1:80, full_nat: true, snat_ip: 10.9.0.9, source: { file: { path: /etc/list.yaml } }'
    expect(said(diagnoseWayBack(facts(keys)))).toEqual([
      'ok web has backends from a source, which need a way back to snat_ip 10.9.0.9 and are not looked at',
    ])
  })
})

describe('neighbours', () => {
  const neighbours = (keys: string, more?: Parameters<typeof facts>[1]) =>
    said(diagnoseNeighbours(facts(`backends: [], ${keys}`, more)))
  const ON_DUMMY = [...HELD, on(4, '10.9.0.1', 32), on(4, '2001:db8::1', 128)]

  test('can be asked and told with CAP_NET_RAW alone', () => {
    const keys = 'listen: 10.1.0.200:80, virtual_address: true'
    expect(neighbours(keys)).toEqual(['ok CAP_NET_RAW is there, for questions to neighbours and announcements'])
    expect(neighbours(keys, { raw: false })).toEqual([
      expect.stringMatching(/^fail CAP_NET_RAW is missing: 10\.1\.0\.200 of web is not added to eth0/),
    ])
  })

  test('are answered for an IPv4 address on a dummy, unless arp_ignore is set', () => {
    const keys = 'listen: 10.9.0.1:80, virtual_address: true'
    const answered = 'ok 10.9.0.1 on vip0 is answered for on eth0, eth1 (arp_ignore is 0)'
    expect(neighbours(keys, { held: ON_DUMMY })).toEqual([answered])
    expect(neighbours(keys)).toEqual([answered.replace('vip0', 'a dummy')])
    expect(neighbours(keys, { held: ON_DUMMY, raw: false })).toEqual([answered])
    expect(neighbours(keys, { held: ON_DUMMY, arp: arp(1, 2) })).toEqual([
      expect.stringMatching(/^warn 10\.9\.0\.1 on vip0 is not answered for on eth0, eth1 \(arp_ignore is set\)/),
    ])
    expect(neighbours(keys, { held: ON_DUMMY, arp: arp(0, 0) })).toEqual([
      answered,
      expect.stringMatching(/^warn 10\.9\.0\.1 on vip0 may stand as the sender in questions .* \(arp_announce is below 2\)/),
    ])
  })

  test('are not answered for an IPv6 address on a dummy', () => {
    expect(neighbours('listen: "[2001:db8::1]:80", virtual_address: true', { held: ON_DUMMY })).toEqual([
      expect.stringMatching(/^warn 2001:db8::1 of web on vip0 is answered for on no link: it has to be routed/),
    ])
  })

  test('are none of ours where somebody else sees to the address', () => {
    expect(neighbours('listen: 10.9.0.1:80', { held: ON_DUMMY, arp: arp(1, 0), raw: false })).toEqual([])
  })

  test('and real servers of direct routing: what is to be set there', () => {
    expect(neighbours('listen: 10.9.0.1:80, forwarding: direct')).toEqual([
      'ok real servers of web have the virtual address on lo and must not answer for it: net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2 there',
    ])
  })
})

test('what is in force for a link is the larger value of its own and that of all', async () => {
  const host = new FakeHost()
  host.routes.links.set(2, networkLink('eth0', 2)).set(3, networkLink('eth0.7', 3))
  const names = (await host.openRoutes().readLinks()).flatMap(({ name, neighbourAddress }) =>
    neighbourAddress === undefined ? [] : [name],
  )
  for (const name of names)
    host.sysctls
      .set(`net.ipv4.conf.${name.replace('.', '/')}.arp_ignore`, 1)
      .set(`net.ipv4.conf.${name.replace('.', '/')}.arp_announce`, 0)
  host.sysctls.set('net.ipv4.conf.all.arp_ignore', 0).set('net.ipv4.conf.all.arp_announce', 2)
  const configuration = configurationOf('listen: 10.9.0.1:80, virtual_address: true, backends: []')
  const gathered = await gatherFacts(host, { configuration, stateDir: '/nowhere', kernelDeadline: 1_000 })
  expect([...(gathered.neighbourhood?.arp ?? [])]).toEqual(names.map((name) => [name, { ignore: 1, announce: 2 }]))
})
