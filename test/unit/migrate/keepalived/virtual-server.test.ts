import { describe, expect, it } from 'vitest'
import { keepalived, virtualServer } from '../support.ts'

const REAL = 'real_server 10.0.1.1 80 { }'

async function serviceOf(block: string) {
  const { configuration, leftOut } = await virtualServer(block)
  const [service] = configuration.services
  if (service === undefined) throw new Error(leftOut.join('\n'))
  return { service, leftOut }
}

describe('a virtual server', () => {
  it('has what keepalived gives it where nothing is said', async () => {
    const { service, leftOut } = await serviceOf(REAL)
    expect(service).toMatchObject({
      name: 'tcp/10.0.0.1:80',
      identity: { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 },
      scheduler: 'wlc',
      forwarding: { method: 'nat' },
      checks: [],
    })
    expect(leftOut).toEqual([])
  })

  it.each<[string, object]>([
    ['lb_algo rr', { scheduler: 'rr' }],
    ['lvs_sched mh\nmh-port\nmh-fallback', { scheduler: 'mh', flags: { flag1: true, flag2: true, flag3: false } }],
    ['lvs_sched sh', { scheduler: 'sh', flags: { flag1: false, flag2: false, flag3: false } }],
    ['lvs_sched wrr\nflag-3', { flags: { flag1: false, flag2: false, flag3: true } }],
    ['lb_kind DR', { forwarding: { method: 'direct' } }],
    ['lvs_method TUN', { forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } } }],
    [
      'lvs_method TUN type gue port 6080 remcsum',
      { forwarding: { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } } },
    ],
    ['lvs_method TUN type gre nocsum', { forwarding: { method: 'tunnel', tunnel: { type: 'gre', checksum: 'none' } } }],
    ['protocol SCTP', { identity: { protocol: 'sctp' } }],
    ['protocol UDP\nops', { identity: { protocol: 'udp' }, onePacket: true }],
    ['persistence_timeout 50', { persistence: { timeout: 50, mask: 0xffffffff } }],
    ['persistence_timeout', { persistence: { timeout: 360 } }],
    ['persistence_granularity 255.255.255.0', { persistence: { timeout: 360, mask: 0xffffff00 } }],
    ['protocol UDP\npersistence_timeout 9\npersistence_engine sip', { persistence: { timeout: 9, engine: 'sip' } }],
    ['weight 9\nquorum 7\nhysteresis 2', { policy: { quorum: { by: 'weight', min: 7, hysteresis: 2 } } }],
    ['weight 9\nhysteresis 0\nquorum 2', { policy: { quorum: { by: 'weight', min: 2, hysteresis: 0 } } }],
    ['sorry_server 10.0.9.9 8080', { policy: { sorryServer: { address: '10.0.9.9', port: 8080 } } }],
    ['sorry_server 10.0.9.9', { policy: { sorryServer: { address: '10.0.9.9', port: 80 } } }],
    ['snmp_name shop', { name: 'shop' }],
  ])('%j', async (block, expected) => {
    const { service, leftOut } = await serviceOf(`${block}\n${REAL}`)
    expect(service).toMatchObject(expected)
    expect(leftOut).toEqual([])
  })

  it.each([
    ['omega', /omega: when Pointsman ends it leaves services/],
    ['ha_suspend', /ha_suspend: probes do not wait/],
    ['smtp_alert', /no mail is sent; write global: \{ hooks/],
    ['nat_mask 255.255.255.0', /nat_mask 255\.255\.255\.0: IPVS has known no mask/],
    ['lb_algo', /lb_algo: nothing is known of it here/],
    ['lb_algo fastest', /scheduler of tcp\/10\.0\.0\.1:80: "fastest" is not known/],
    ['lb_kind MAGIC', /lb_kind MAGIC: nothing is known/],
    ['ops', /one_packet of tcp\/10\.0\.0\.1:80: one_packet is for UDP/],
    ['sorry_server nobody', /sorry_server nobody/],
    ['persistence_timeout soon', /persistence_timeout soon/],
    ['warmup 10', /warmup 10: first probes are spread/],
    ['frobnicate yes', /keepalived\.conf:2: frobnicate yes: nothing is known of it here; look it up in keepalived\.conf\(5\)/],
  ])('%j cannot be carried over, and is listed', async (block, sentence) => {
    const { leftOut } = await serviceOf(`${block}\n${REAL}`)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })
})

describe('what keepalived sets right by itself', () => {
  it('a virtual server that names no protocol is one of UDP', async () => {
    const { configuration, text, leftOut } = await keepalived(`virtual_server 10.0.0.1 80 { ${REAL} }`)
    expect(configuration.services).toMatchObject([{ name: 'udp/10.0.0.1:80', identity: { protocol: 'udp' } }])
    expect(text).toContain(
      '# It names no protocol, which is UDP for keepalived and the kernel. Write protocol: tcp if that was meant.',
    )
    expect(leftOut).toEqual([])
  })

  it('a quorum is no more than all servers weigh, and a hysteresis is below it', async () => {
    const { configuration, text } = await virtualServer('weight 5\nquorum 20\nhysteresis 5\nreal_server 10.0.1.1 80 { }')
    expect(configuration.services[0]?.policy.quorum).toEqual({ by: 'weight', min: 5, hysteresis: 4 })
    expect(text).toContain('# keepalived lowers the quorum from 20 to 5')
    expect(text).toContain('# keepalived lowers the hysteresis from 5 to 4')
  })

  it('weight is that of servers that have none of their own', async () => {
    const { service, leftOut } = await serviceOf(`weight 7\nreal_server 10.0.1.1 80 { weight 2 }\nreal_server 10.0.1.2 80 { }`)
    expect([...service.backends.values()].map(({ weight }) => weight)).toEqual([2, 7])
    expect(leftOut).toEqual([])
  })

  it('in a group, one address without a port makes all of it persistent', async () => {
    const { configuration } = await keepalived(`virtual_server_group G { 10.0.0.1 80
 10.0.0.2
 fwmark 3 }
virtual_server group G { protocol TCP\n ${REAL} }`)
    const persistent = { persistence: { timeout: 360 } }
    expect(configuration.services).toMatchObject([persistent, persistent, persistent])
  })
})

describe('names', () => {
  const named = (address: string) => `virtual_server ${address} 80 { protocol TCP\n snmp_name shop\n ${REAL} }`

  it('that several services would have are given to none of them', async () => {
    const { configuration, leftOut } = await keepalived(`${named('10.0.0.1')}\n${named('10.0.0.2')}`)
    expect(configuration.services.map(({ name }) => name)).toEqual(['tcp/10.0.0.1:80', 'tcp/10.0.0.2:80'])
    expect(leftOut).toEqual([
      expect.stringMatching(/:2: snmp_name shop: several services/),
      expect.stringMatching(/:5: snmp_name/),
    ])
  })

  it('of a group are given to none of its services', async () => {
    const group = 'virtual_server_group G { 10.0.0.1-2 80 }\n'
    const { configuration, leftOut } = await keepalived(
      `${group}virtual_server group G { snmp_name shop\n protocol TCP\n ${REAL} }`,
    )
    expect(configuration.services.map(({ name }) => name)).toEqual(['tcp/10.0.0.1:80', 'tcp/10.0.0.2:80'])
    expect(leftOut).toEqual([expect.stringMatching(/snmp_name shop: several services would have the name/)])
  })
})

describe('what clients connect to', () => {
  it('may be a firewall mark, of the family of its servers', async () => {
    const { configuration, leftOut } = await keepalived(`
virtual_server fwmark 1 { protocol TCP
  real_server 10.0.1.1 { weight 2 } }
virtual_server fwmark 2 { real_server fd00::1 { } }
virtual_server fwmark 3 { ip_family inet6
  lvs_method TUN
  real_server 10.0.1.1 { } }`)
    expect(configuration.services.map(({ identity }) => identity)).toEqual([
      { kind: 'fwmark', fwmark: 1, family: 'ipv4' },
      { kind: 'fwmark', fwmark: 2, family: 'ipv6' },
      { kind: 'fwmark', fwmark: 3, family: 'ipv6' },
    ])
    expect([...(configuration.services[0]?.backends.values() ?? [])]).toEqual([{ address: '10.0.1.1', port: 0, weight: 2 }])
    expect(leftOut).toEqual([])
  })

  it.each([
    ['lvs_method TUN\n persistence_granularity 64\n real_server 10.0.1.1 { }', 'ipv6'],
    ['lvs_method TUN\n persistence_granularity 255.255.0.0\n real_server fd00::1 { }', 'ipv4'],
    ['lvs_method TUN\n real_server fd00::1 { }\n real_server 10.0.1.1 { }', 'ipv4'],
    ['lvs_method TUN\n real_server 10.0.1.1 { }\n real_server fd00::1 { lvs_method DR }', 'ipv6'],
  ])('of a mark has the family that keepalived finds: %j', async (block, family) => {
    const { configuration, leftOut } = await keepalived(`virtual_server fwmark 1 {\n ${block}\n}`)
    expect(configuration.services.map(({ identity }) => identity)).toEqual([{ kind: 'fwmark', fwmark: 1, family }])
    expect(leftOut).toEqual([])
  })

  it('may be every port of an address', async () => {
    const { configuration } = await keepalived('virtual_server 10.0.0.1 { persistence_timeout 9\n real_server 10.0.1.1 { } }')
    expect(configuration.services[0]?.identity).toMatchObject({ address: '10.0.0.1', port: 0 })
    // keepalived makes it persistent by itself.
    const without = await keepalived('virtual_server 10.0.0.1 { protocol TCP\n real_server 10.0.1.1 { } }')
    expect(without.configuration.services[0]).toMatchObject({ name: 'tcp/10.0.0.1:0', persistence: { timeout: 360 } })
    expect(without.leftOut).toEqual([])
  })

  it('may be a group of addresses, ranges and marks', async () => {
    const { configuration, leftOut } = await keepalived(`
virtual_server_group G {
  10.0.0.1 8080
  10.0.0.3-5 80
  10.0.0.254-10.0.1.1 80
  10.9.0.9/30 443
  fwmark 7
}
virtual_server group G {
  protocol TCP
  lb_kind NAT
  real_server 10.0.9.1 80 { TCP_CHECK { digest abc } }
}`)
    expect(configuration.services.map(({ name }) => name)).toEqual([
      'tcp/10.0.0.1:8080',
      ...['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1'].map((one) => `tcp/${one}:80`),
      ...['10.9.0.8', '10.9.0.9', '10.9.0.10', '10.9.0.11'].map((one) => `tcp/${one}:443`),
      'fwmark/7/ipv4',
    ])
    // Once, although twelve services were made of it.
    expect(leftOut).toHaveLength(1)
  })

  it('may be a range of IPv6', async () => {
    const { configuration } = await keepalived(`
virtual_server_group G { fd00::9-c 80 }
virtual_server group G { protocol TCP
 real_server fd00:1::1 80 { } }`)
    expect(configuration.services.map(({ name }) => name)).toEqual(['9', 'a', 'b', 'c'].map((last) => `tcp/[fd00::${last}]:80`))
  })

  it.each([
    ['virtual_server_group G { 10.0.0.0/8 80 }\nvirtual_server group G { }', /range would become more than 1024 services/],
    ['virtual_server_group G { 10.0.0.9-3 80 }\nvirtual_server group G { }', /no address, range or firewall mark/],
    ['virtual_server group NONE { }', /there is no such group/],
    ['virtual_server_group G { 10.0.0.1 80 }', /no virtual server uses the group/],
    ['virtual_server www.example 80 { }', /no address, firewall mark or group/],
    ['virtual_server 224.0.0.1 80 { }', /is a multicast address/],
  ])('%j is listed', async (text, sentence) => {
    const { leftOut, configuration } = await keepalived(text)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
    expect(configuration.services).toEqual([])
  })

  it('is one service where it is there twice', async () => {
    const { configuration, leftOut } = await keepalived('virtual_server 10.0.0.1 80 {\n}\nvirtual_server 10.0.0.1 80 {\n}')
    expect(configuration.services).toHaveLength(1)
    expect(leftOut).toEqual([
      expect.stringMatching(
        /keepalived\.conf:3: service udp\/10\.0\.0\.1:80: the name "udp.*" is taken by a service before it; write/,
      ),
    ])
  })
})

describe('real servers', () => {
  it('keep weights, thresholds and methods of their own; 0 is a weight', async () => {
    const { service } = await serviceOf(`lvs_method DR
real_server 10.0.1.1 80 { weight 0 }
real_server 10.0.1.2 80 { weight 5
  uthreshold 100
  lthreshold 50 }
real_server 10.0.1.3 8080 { lvs_method NAT }
real_server 10.0.1.4 { }`)
    expect([...service.backends.values()]).toEqual([
      { address: '10.0.1.1', port: 80, weight: 0 },
      { address: '10.0.1.2', port: 80, weight: 5, upperThreshold: 100, lowerThreshold: 50 },
      { address: '10.0.1.3', port: 8080, forwarding: { method: 'nat' } },
      { address: '10.0.1.4', port: 80 },
    ])
  })

  it('get the port of the service where packets keep it, as the kernel does', async () => {
    const { text, configuration, leftOut } = await virtualServer('lb_kind DR\nreal_server 10.0.1.1 8080 { }')
    expect([...(configuration.services[0]?.backends.keys() ?? [])]).toEqual(['10.0.1.1:80'])
    expect(text).toContain('# It said port 8080, which only NAT could translate to')
    expect(leftOut).toEqual([])
  })

  it.each([
    ['real_server 10.0.1.1 80 { notify_up /bin/true\n notify_down /bin/true }', 2, /hooks.*POINTSMAN_BACKEND/],
    ['real_server www 80 { }', 1, /this is no address with a port/],
    ['real_server 10.0.1.1 80 { weight many }', 1, /weight many/],
    ['real_server 10.0.1.1 80 { weight 70000 }', 1, /backend 10\.0\.1\.1:80 of tcp.*70000 is above 65535/],
    ['real_server fd00::1 80 { }', 1, /an IPv6 backend in an IPv4 service is possible by tunnel only/],
  ])('%j is listed', async (block, count, sentence) => {
    const { leftOut } = await virtualServer(block)
    expect(leftOut).toHaveLength(count)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('that fail leave the table, or stay with weight 0, as they did', async () => {
    const check = 'TCP_CHECK { }'
    const down = async (block: string) => (await serviceOf(block)).service.policy.onDown
    expect(await down(`real_server 10.0.1.1 80 { ${check} }`)).toBe('remove')
    expect(await down(`real_server 10.0.1.1 80 { inhibit_on_failure\n ${check} }`)).toBe('zero')
    expect(await down(`inhibit_on_failure\nreal_server 10.0.1.1 80 { ${check} }`)).toBe('zero')
    const mixed = await serviceOf(
      `real_server 10.0.1.1 80 { inhibit_on_failure\n ${check} }\nreal_server 10.0.1.2 80 { ${check} }`,
    )
    expect(mixed.service.policy.onDown).toBe('zero')
    expect(mixed.leftOut).toEqual([
      expect.stringMatching(/conf:4: real_server 10\.0\.1\.2 80 \{ \}: it is without inhibit_on_failure/),
    ])
  })
})

it('what stands on one line with the head of a block is listed, so that the block is not lost in silence', async () => {
  const { service, leftOut } = await serviceOf('real_server 10.0.1.1 80 { weight 5 MISC_CHECK { misc_path "/bin/check"\n} }')
  expect(service).toMatchObject({ checks: [] })
  expect(leftOut).toEqual([
    expect.stringMatching(
      /: weight 5 MISC_CHECK \{ \}: no block of this name is known here; write each directive on a line of its own/,
    ),
  ])
})

describe('what belongs to the whole', () => {
  it('timeouts and sync daemons of IPVS are carried over', async () => {
    const { configuration, leftOut } = await keepalived(
      'global_defs {\n lvs_timeouts tcp 900 tcpfin 0 udp 60\n lvs_sync_daemon eth1 id 7 maxlen 1400 ttl 3 group 224.0.0.90 port 9000\n}',
    )
    expect(configuration.ipvs).toEqual({
      timeouts: { tcp: 900, udp: 60 },
      syncDaemons: ['master', 'backup'].map((role) => ({
        role,
        interface: 'eth1',
        id: 7,
        maximumLength: 1400,
        ttl: 3,
        group: '224.0.0.90',
        port: 9000,
      })),
    })
    expect(leftOut).toEqual([])
  })

  it('a sync daemon that follows VRRP is not', async () => {
    const { configuration, leftOut } = await keepalived('global_defs { \n lvs_sync_daemon eth1 VI_1 id 7\n}')
    expect(configuration.ipvs.syncDaemons).toBeUndefined()
    expect(leftOut).toEqual([expect.stringMatching(/conf:2: lvs_sync_daemon eth1 VI_1 id 7: .* follows VRRP/)])
  })

  it.each([
    ['notification_email { a@b.example }', /no mail is sent/],
    ['router_id LVS', /concerns keepalived itself; do nothing/],
    ['vrrp_garp_master_delay 10', /there is no VRRP here/],
    ['enable_snmp_checker', /no SNMP/],
    ['lvs_flush_on_stop', /write global: \{ on_exit: remove \}/],
    ['unheard_of 1', /nothing is known of it here/],
  ])('%s is listed', async (directive, sentence) => {
    const { leftOut } = await keepalived(`global_defs {\n ${directive}\n}`)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('failures are believed to the last server, and nobody serves in panic', async () => {
    const { configuration, text } = await virtualServer(
      'sorry_server 10.0.9.9 80\nreal_server 10.0.1.1 80 { HTTP_GET { url { path / } } }',
    )
    expect(configuration.services[0]?.policy).toMatchObject({ maxEjection: 100, panic: 'off' })
    expect(text).toMatch(/^# max_ejection: 100% and panic: off are what keepalived does/m)
    expect((await virtualServer('real_server 10.0.1.1 80 { }')).text).not.toContain('max_ejection')
  })

  it('every block of VRRP is listed once, with the addresses in it', async () => {
    const { text, leftOut } = await keepalived(`
vrrp_script check { script /bin/true }
vrrp_instance VI_1 {
  interface eth0
  authentication { auth_type PASS
    auth_pass grr02 }
  lvs_sync_daemon_interface eth1
  virtual_ipaddress { 10.0.0.1/24 dev eth0
    fd00::1 }
}
static_routes { 10.0.0.0/8 via 10.0.0.254 }`)
    expect(leftOut).toHaveLength(4)
    expect(leftOut[1]).toMatch(
      /conf:3: vrrp_instance VI_1 \{ \}: Pointsman has no VRRP \(here of 10\.0\.0\.1\/24, fd00::1\); keep keepalived/,
    )
    expect(leftOut[2]).toMatch(/conf:7: lvs_sync_daemon_interface eth1/)
    expect(text).toContain('# VRRP stays with keepalived, which places 10.0.0.1/24, fd00::1.')
    expect(`${text}${leftOut.join('')}`).not.toContain('grr02')
  })

  it('a file of something else is refused, and an empty one is no services', async () => {
    const other = keepalived('frontend web\n  bind :80\n')
    await expect(other).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/conf:1:1: nothing in this file is of/),
    })
    expect((await keepalived('# nothing yet\n')).configuration.services).toEqual([])
    expect((await keepalived('net_namespace lb\n')).leftOut).toHaveLength(1)
  })
})
