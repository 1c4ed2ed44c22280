import { describe, expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { diagnoseFirewall } from '../../../src/daemon/doctor/diagnose-firewall.ts'
import type { DoctorFacts } from '../../../src/daemon/doctor/facts.ts'
import { gatherFirewall } from '../../../src/daemon/doctor/gather-firewall.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { FilterTable } from '../../../src/sinks/firewall/filter.ts'
import { readIptablesFilter } from '../../../src/sinks/firewall/read-iptables.ts'
import { readNftRuleset } from '../../../src/sinks/firewall/read-nft.ts'
import { FakeFirewall } from '../../support/fake-firewall.ts'
import { dockerLines, firewalldObjects } from '../../support/filters/rule-sets.ts'
import { FakeHost } from './fake-host.ts'

const WEB = '{ name: web, listen: 10.9.0.1:80, backends: [10.2.1.2:8080] }'
const DNS = '{ name: dns, listen: 10.9.0.1:53, protocol: udp, backends: [10.2.1.2:53] }'
const WEB6 = '{ name: web6, listen: "[fd00:9::1]:80", backends: ["[fd00:2::2]:8080"] }'
const EVERY_PORT = '{ name: every, listen: 10.9.0.3:0, persistence: 300s, backends: [10.2.1.2:0] }'
const MARK = '{ name: mark, fwmark: 7, family: ipv4, backends: [10.2.1.2:8080] }'
const TUNNEL = '{ name: far, listen: 10.9.0.2:80, forwarding: tunnel, backends: [10.2.1.2:80] }'

function configurationOf(services: readonly string[], global = '{}') {
  const text = `global: ${global}\nservices:\n${services.map((one) => `  - ${one}\n`).join('')}`
  const loaded = loadConfiguration({ path: 'c.yaml', bytes: Buffer.from(text) })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration
}

function findings(
  tables: readonly FilterTable[],
  services = [WEB],
  { global = '{}', holder = undefined as DoctorFacts['holder'], tracked = true } = {},
) {
  const configuration = configurationOf(services, global)
  const backends = new Map(
    configuration.services.map(({ identity, backends: own, forwarding }) => [
      serviceKey(identity),
      [...own.values()].map(({ address, port }) => ({ address, port, forwarding })),
    ]),
  )
  const firewall = { tables, tracked, backends, interfaces: new Map([['10.2.1.2' as IpAddress, 'eth1']]) }
  return diagnoseFirewall({ firewall, configuration, holder } as unknown as DoctorFacts)
}

const commands = (...args: Parameters<typeof findings>) =>
  findings(...args).flatMap(({ run }) => (run === undefined ? [] : [run]))

/** A table of nftables whose chain at a hook drops everything. */
const nft = (hook: string, table = 'inet site') => {
  const [family, name] = table.split(' ')
  return readNftRuleset([
    { table: { family, name } },
    { chain: { family, table: name, name: hook, type: 'filter', hook, prio: 0, policy: 'drop' } },
  ])
}
const iptables = (lines: string, variant: 'nft' | 'legacy' = 'nft', family: 'ipv4' | 'ipv6' = 'ipv4') => [
  readIptablesFilter(lines.split('\n'), variant, family),
]

describe('what the doctor says', () => {
  test('of a host without a filter', () => {
    expect(findings([])).toEqual([
      { check: 'firewall', verdict: 'ok', message: 'INPUT, clients to the services: there is no filter' },
      { check: 'firewall', verdict: 'ok', message: 'OUTPUT, this host to the backends: there is no filter' },
      { check: 'firewall', verdict: 'ok', message: 'FORWARD, backends that answer through this host: there is no filter' },
    ])
  })

  test('of a chain that drops, with the cure', () => {
    expect(findings(nft('input')).filter(({ verdict }) => verdict !== 'ok')).toEqual([
      {
        check: 'firewall',
        verdict: 'fail',
        message: 'INPUT, nftables table inet site, chain input drops what clients send to tcp/10.9.0.1:80 by its policy',
        run: 'nft insert rule inet site input ip daddr 10.9.0.1 tcp dport 80 accept',
        cure: 'or write manage_firewall: true under global, and it is done at each start and reload',
      },
    ])
  })

  test('of one that may drop', () => {
    const limited = iptables(':INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.0/24 -j DROP')
    expect(findings(limited)[0]).toMatchObject({
      verdict: 'warn',
      message: expect.stringContaining(
        'chain INPUT may drop what clients send to tcp/10.9.0.1:80: a rule before it passes',
      ) as unknown,
      run: 'iptables-nft -I INPUT -p tcp -d 10.9.0.1 -m tcp --dport 80 -j ACCEPT',
    })
  })

  test('of one that a daemon will open, and of one that it should have opened', () => {
    const global = '{ manage_firewall: true }'
    expect(findings(nft('input'), [WEB], { global })[0]).toMatchObject({
      verdict: 'ok',
      message: expect.stringContaining('the start puts a rule before that (manage_firewall)') as unknown,
    })
    const holder = { pid: 7, command: 'start', since: 'today' }
    expect(findings(nft('input'), [WEB], { global, holder })[0]).toMatchObject({ verdict: 'fail' })
  })

  test('of one that no daemon will open', () => {
    const [table] = nft('input')
    const owned = { ...(table as FilterTable), unwritable: { why: 'another program owns it' } }
    expect(findings([owned], [WEB], { global: '{ manage_firewall: true }' })[0]).toMatchObject({
      verdict: 'fail',
      run: 'nft insert rule inet site input ip daddr 10.9.0.1 tcp dport 80 accept',
      cure: 'manage_firewall does not reach it: another program owns it',
    })
  })

  test('of a service that is refused to some in a chain that several rules lead to, which the daemon leaves closed', () => {
    const web = '-A INPUT -p tcp -m tcp --dport 80 -j DROP'
    const clients = '-A INPUT -s 192.0.2.0/24 -j DROP'
    const shared = ['-A INPUT -i eth7 -j far', '-A INPUT -j far', '-A far -s 192.0.2.0/24 -j DROP', '-A far -j DROP']
    const verdicts = (...rules: string[]) =>
      findings(iptables([':INPUT DROP [0:0]', ':far - [0:0]', ...rules].join('\n')), [WEB, DNS], {
        global: '{ manage_firewall: true }',
      })
        .filter(({ message }) => message.includes('iptables-nft'))
        .map(({ verdict }) => verdict)
    expect(verdicts(...shared)).toContain('fail')
    expect(verdicts(web, clients)).toEqual(['ok'])
    expect(verdicts(clients, web)).toEqual(['ok'])
  })

  test('of replies that nobody knows the connection of', () => {
    const known = iptables(':FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT')
    expect(findings(known).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok'])
    expect(findings(known, [WEB], { tracked: false }).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'fail'])
  })

  test('of replies by direct routing and tunnels: nothing, they do not come this way', () => {
    expect(findings(nft('forward'), [TUNNEL]).map(({ message }) => message.split(',')[0])).toEqual(['INPUT', 'OUTPUT'])
  })

  test('where filters cannot be read', () => {
    const facts = { firewall: { problem: 'No right.' }, configuration: configurationOf([WEB]) } as unknown as DoctorFacts
    expect(diagnoseFirewall(facts)).toEqual([
      { check: 'firewall', verdict: 'warn', message: 'what filters there are cannot be seen: No right' },
    ])
  })
})

describe('the cure is', () => {
  test('one rule of nft for each family, with a set where there are several', () => {
    expect(commands(nft('input'), [WEB, DNS, WEB6])).toEqual([
      "nft 'insert rule inet site input meta l4proto . ip daddr . th dport { tcp . 10.9.0.1 . 80, udp . 10.9.0.1 . 53 } accept' && " +
        'nft insert rule inet site input ip6 daddr fd00:9::1 tcp dport 80 accept',
    ])
    expect(commands(nft('forward'))).toEqual([
      'nft insert rule inet site forward ip saddr 10.2.1.2 tcp sport 8080 ct direction reply accept',
    ])
    expect(commands(nft('input', 'ip6 site'), [WEB, WEB6])).toEqual([
      'nft insert rule ip6 site input ip6 daddr fd00:9::1 tcp dport 80 accept',
    ])
  })

  test('for every port, marks and tunnels', () => {
    expect(commands(nft('input'), [EVERY_PORT, MARK])).toEqual([
      'nft insert rule inet site input ip daddr 10.9.0.3 meta l4proto tcp accept && nft insert rule inet site input meta nfproto ipv4 meta mark 7 accept',
    ])
    expect(commands(nft('output'), [TUNNEL])).toEqual([
      'nft insert rule inet site output ip daddr 10.2.1.2 meta l4proto 4 accept',
    ])
    expect(commands(iptables(':OUTPUT DROP [0:0]', 'legacy'), [TUNNEL])).toEqual([
      'iptables-legacy -I OUTPUT -p 4 -d 10.2.1.2 -j ACCEPT',
    ])
  })

  test('one rule of iptables for each packet, by the variant and the family of the table', () => {
    expect(commands(iptables(':INPUT DROP [0:0]', 'legacy'), [WEB, MARK])).toEqual([
      'iptables-legacy -I INPUT -p tcp -d 10.9.0.1 -m tcp --dport 80 -j ACCEPT && iptables-legacy -I INPUT -m mark --mark 7 -j ACCEPT',
    ])
    expect(commands(iptables(':OUTPUT DROP [0:0]', 'nft', 'ipv6'), [WEB, WEB6])).toEqual([
      'ip6tables-nft -I OUTPUT -p tcp -d fd00:2::2 -m tcp --dport 8080 -j ACCEPT',
    ])
  })

  test('in the chain of Docker that is for users', () => {
    const docker = iptables(dockerLines().join('\n'))
    expect(findings(docker).at(-1)).toMatchObject({ verdict: 'fail' })
    expect(commands(docker)).toEqual([
      'iptables-nft -I DOCKER-USER -p tcp -s 10.2.1.2 -m tcp --sport 8080 -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT',
    ])
  })

  test('of ufw', () => {
    const chain = (hook: string, user: string) => iptables(`:${hook} DROP [0:0]\n:${user} - [0:0]\n-A ${hook} -j ${user}`)
    expect(commands(chain('INPUT', 'ufw-user-input'), [WEB, EVERY_PORT])).toEqual([
      'ufw allow proto tcp to 10.9.0.1 port 80 && ufw allow proto tcp to 10.9.0.3',
    ])
    const refused = iptables(
      ':INPUT DROP [0:0]\n:ufw-user-input - [0:0]\n-A INPUT -j ufw-user-input\n-A ufw-user-input -p tcp -m tcp --dport 80 -j DROP',
    )
    expect(commands(refused, [WEB, DNS])).toEqual([
      'ufw prepend allow proto tcp to 10.9.0.1 port 80 && ufw allow proto tcp to 10.9.0.1 port 80 && ufw allow proto udp to 10.9.0.1 port 53',
    ])
    expect(commands(chain('OUTPUT', 'ufw-user-output'))).toEqual(['ufw allow out proto tcp to 10.2.1.2 port 8080'])
    expect(commands(chain('FORWARD', 'ufw-user-forward'))).toEqual(['ufw route allow proto tcp from 10.2.1.2 port 8080'])
    expect(commands(chain('INPUT', 'ufw-user-input'), [MARK])).toEqual(['iptables-nft -I INPUT -m mark --mark 7 -j ACCEPT'])
  })

  describe('of firewalld', () => {
    const rule = 'rule family="ipv4" destination address="10.9.0.1" port port="80" protocol="tcp" accept'
    const firewalld = (change = (text: string) => text) =>
      readNftRuleset(firewalldObjects().map((object) => JSON.parse(change(JSON.stringify(object))) as typeof object))

    test('a rule of the only zone, at once and for good, without a reload', () => {
      expect(findings(firewalld(), [WEB])).toMatchObject([
        {
          verdict: 'fail',
          run: `firewall-cmd --zone=public --add-rich-rule '${rule}' && firewall-cmd --permanent --zone=public --add-rich-rule '${rule}'`,
        },
        { verdict: 'ok' },
        { verdict: 'ok' },
      ])
    })

    test('of the default zone where there are several, and it says so', () => {
      const dmz = (text: string) => text.replace(/(eth0.*"target":\s*"filter_IN_)public/, '$1dmz')
      const [found] = findings(firewalld(dmz), [WEB])
      expect(found?.run).toBe(`firewall-cmd --add-rich-rule '${rule}' && firewall-cmd --permanent --add-rich-rule '${rule}'`)
      expect(found?.cure).toContain('this goes to the default zone; for clients that come by another interface add its zone')
      expect(found?.cure).toContain('eth0 --zone=dmz')
    })

    test('connection tracking, for replies that it takes for invalid', () => {
      expect(findings(firewalld(), [WEB], { tracked: false }).at(-1)).toMatchObject({
        verdict: 'fail',
        run: 'sysctl -w net.ipv4.vs.conntrack=1',
        cure: expect.stringContaining('ct state invalid') as unknown,
      })
    })

    test('a policy, made where it is not there, and loaded where it is new', () => {
      const out = 'rule family="ipv4" destination address="10.2.1.2" port port="8080" protocol="tcp" accept'
      expect(commands(nft('output', 'inet firewalld'))).toEqual([
        '{ firewall-cmd --permanent --info-policy pointsman-output >/dev/null 2>&1 || firewall-cmd --permanent --new-policy pointsman-output; } && ' +
          'firewall-cmd --permanent --policy pointsman-output --add-ingress-zone HOST && ' +
          'firewall-cmd --permanent --policy pointsman-output --add-egress-zone ANY && ' +
          `firewall-cmd --permanent --policy pointsman-output --add-rich-rule '${out}' && ` +
          `if firewall-cmd --info-policy pointsman-output >/dev/null 2>&1; then firewall-cmd --policy pointsman-output --add-rich-rule '${out}'; else firewall-cmd --reload; fi`,
      ])
    })

    test('the end of panic mode, in which nothing is to pass', () => {
      const panic = nft('output', 'inet firewalld_policy_drop').map((table) => ({
        ...table,
        unwritable: { why: 'nothing is to pass', isMeant: true as const },
      }))
      expect(
        findings(panic, [WEB], { global: '{ manage_firewall: true }' }).filter(({ verdict }) => verdict === 'fail'),
      ).toMatchObject([{ run: 'firewall-cmd --panic-off', cure: 'nothing is to pass' }])
    })

    test('words alone for marks, for which it has no rules', () => {
      expect(findings(nft('input', 'inet firewalld'), [MARK])[0]).toMatchObject({
        verdict: 'fail',
        cure: expect.stringContaining('no rules for firewall marks') as unknown,
      })
    })
  })

  test('of replies that nobody knows the connection of comes with what it lets through besides', () => {
    const [found] = findings(nft('forward'), [WEB], { tracked: false }).filter(({ verdict }) => verdict === 'fail')
    expect(found).toMatchObject({
      run: 'nft insert rule inet site forward ip saddr 10.2.1.2 tcp sport 8080 accept',
      cure: expect.stringContaining('whatever a backend sends from that port') as unknown,
    })
  })
})

test('what is gathered: filters, backends, and the interfaces that lead to them', async () => {
  const host = new FakeHost()
  const filters = new FakeFirewall()
  filters.table('inet', 'site')
  filters.chain('inet site', 'input', { hook: 'input', policy: 'drop' })
  filters.legacy.set('ipv6', [':INPUT DROP [0:0]'])
  host.filters = filters
  const { services } = configurationOf([WEB, TUNNEL])
  const facts = await gatherFirewall(
    host,
    services,
    new Map(services.map(({ name, backends }) => [name, [...backends.values()]])),
  )
  if (facts === undefined || 'problem' in facts) throw new Error('nothing was gathered')
  expect(facts.tables.map(({ place }) => place)).toEqual([
    { kind: 'nft', family: 'inet', table: 'site' },
    { kind: 'iptables', variant: 'legacy', family: 'ipv6' },
  ])
  expect([...facts.backends]).toMatchObject([
    ['tcp/10.9.0.1:80', [{ address: '10.2.1.2', port: 8080, forwarding: { method: 'nat' } }]],
    ['tcp/10.9.0.2:80', [{ address: '10.2.1.2', port: 80, forwarding: { method: 'tunnel' } }]],
  ])
  expect(await gatherFirewall(host, [], new Map())).toBeUndefined()
})
