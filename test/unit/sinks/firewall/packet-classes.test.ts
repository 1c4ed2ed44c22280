import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { IpAddress } from '../../../../src/model/address.ts'
import { baseChains, type FilterTable } from '../../../../src/sinks/firewall/filter.ts'
import { judge, packetOf } from '../../../../src/sinks/firewall/judge.ts'
import { type CarriedProtocol, HOOKS, type Opening } from '../../../../src/sinks/firewall/opening.ts'
import { packetClasses } from '../../../../src/sinks/firewall/packet-classes.ts'
import { readIptablesFilter } from '../../../../src/sinks/firewall/read-iptables.ts'
import { readNftRuleset } from '../../../../src/sinks/firewall/read-nft.ts'
import { firewalldObjects, UFW_RULES, ufw } from '../../../support/filters/rule-sets.ts'

const noRule = () => false

/** Rules at random, of values that packets have and of their neighbours. */
function randomTable(pick: (words: readonly string[]) => string): FilterTable {
  const rule = () =>
    [
      pick(['', ' -s 10.2.1.2/31', ' ! -d 10.9.0.0/30', ' -d 10.9.0.1/32', ' -i lo', ' -i eth0']),
      pick([
        '',
        ' -p tcp',
        ' -p udp',
        ' -p tcp -m tcp --dport 80',
        ' -p tcp -m multiport ! --dports 79,81:443',
        ' -p udp -m udp --sport 53',
      ]),
      pick(['', ' -m conntrack --ctstate NEW', ' -m conntrack ! --ctdir REPLY', ' -m mark --mark 0x7']),
      pick([' -j ACCEPT', ' -j DROP', ' -j RETURN', ' -j LOG', ' -j one', ' -g two']),
    ].join('')
  const chain = (name: string) => Array.from({ length: 4 }, () => `-A ${name}${rule().replace(/ -[jg] (one|two)$/, ' -j DROP')}`)
  const bases = ['INPUT', 'OUTPUT', 'FORWARD']
  return readIptablesFilter(
    [
      ...bases.map((name) => `:${name} ${pick(['ACCEPT', 'DROP'])} [0:0]`),
      ':one - [0:0]',
      ':two - [0:0]',
      ...bases.flatMap((name) => Array.from({ length: 4 }, () => `-A ${name}${rule()}`)),
      ...chain('one'),
      ...chain('two'),
    ],
    'nft',
    'ipv4',
  )
}

function* openings(): Generator<Opening> {
  for (const hook of HOOKS) {
    if (hook !== 'forward') for (const mark of [6, 7, 8]) yield { kind: 'mark', hook, mark, family: 'ipv4' }
    for (const protocol of ['tcp', 'udp', 'ipip'] as CarriedProtocol[])
      for (const address of ['10.2.1.2', '10.2.1.4', '10.9.0.0', '10.9.0.1', '10.9.0.4'] as IpAddress[])
        for (const port of [0, 22, 53, 79, 80, 81, 443, 444]) yield { kind: 'address', hook, protocol, address, port }
  }
}

/** Every two packets of one class are decided alike. Gives how many classes there are. */
function check(table: FilterTable): number {
  let classes = 0
  for (const hook of HOOKS)
    for (const base of baseChains(table, hook)) {
      const classOf = packetClasses(table, base, noRule)
      const first = new Map<string, unknown>()
      for (const opening of openings()) {
        if (opening.hook !== hook) continue
        const packet = packetOf(opening, true)
        const judgement = judge(table, base, packet)
        const name = classOf(packet)
        if (first.has(name)) expect(judgement).toEqual(first.get(name))
        first.set(name, judgement)
      }
      classes += first.size
    }
  return classes
}

describe('packets of one class', () => {
  test('are decided alike by ufw and by firewalld', () => {
    check(ufw([...UFW_RULES.allow(80), ...UFW_RULES.limit(443), ...UFW_RULES.denyFrom('10.2.1.0/24')]))
    check(readNftRuleset(firewalldObjects())[0] as FilterTable)
  })

  test('are decided alike by rules at random', () => {
    fc.assert(
      fc.property(fc.gen(), (choose) => {
        check(randomTable((words) => choose(fc.constantFrom, ...words)))
      }),
    )
  })

  test('are many, where nothing tells them apart', () => {
    const table = readIptablesFilter([':INPUT DROP [0:0]', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'], 'nft', 'ipv4')
    // Marks, and each protocol with every port, with one up to 21, with 22, and with one above.
    expect(check(table)).toBeLessThan(15)
  })
})
