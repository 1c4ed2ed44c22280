import { describe, expect, test } from 'vitest'
import { PointsmanError } from '../../../../src/errors.ts'
import { createFirewallSink } from '../../../../src/sinks/firewall/firewall-sink.ts'
import { service, state } from '../../../support/desired.ts'
import { FakeFirewall } from '../../../support/fake-firewall.ts'

const NOW = 1_000_000
const NONE = { table: new Map(), holds: () => false }
const WEB = service('tcp/10.9.0.1:80', ['10.2.1.2:8080'])
const XT = [{ xt: { type: 'match', name: 'conntrack' } }, { counter: null }, { accept: null }]
const MISSING = new PointsmanError('NFT_MISSING', 'iptables-nft-save is not installed: install the package iptables.')
const BUSY = new PointsmanError('KERNEL_REFUSED', 'iptables-nft-save refused: spawn EAGAIN. It is tried again.')

/** `ip filter` as iptables-nft keeps it, with one rule, and a chain that drops. */
function ofIptables(rule: readonly unknown[] = XT): FakeFirewall {
  const firewall = new FakeFirewall()
  firewall.table('ip', 'filter')
  firewall.chain('ip filter', 'INPUT', { hook: 'input', policy: 'drop' })
  firewall.rule('ip filter', 'INPUT', rule)
  return firewall
}

async function openedBy(kernel: FakeFirewall) {
  await using sink = createFirewallSink({ kernel, tracked: () => true, random: () => 0.5 })
  return sink.open(state([WEB]), NONE, 'full', NOW)
}

describe('a table that iptables keeps in nftables', () => {
  test('is written by iptables', async () => {
    const firewall = ofIptables()
    firewall.kept.set('ipv4', [':INPUT DROP [0:0]', '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'])
    expect((await openedBy(firewall)).failed).toEqual([])
    expect(firewall.transactions).toEqual([])
    expect(firewall.kept.get('ipv4')).toContain('-A INPUT -m comment --comment pointsman -j POINTSMAN-INPUT')
  })

  test.each<[string, PointsmanError | undefined, readonly unknown[], RegExp]>([
    ['iptables is missing', MISSING, XT, /into iptables-nft: .*install the package iptables/],
    ['iptables is missing, and none of its rules is there to be seen', MISSING, [], /install the package/],
    ['iptables fails once', BUSY, XT, /EAGAIN/],
    ['iptables cannot read it, and rules of iptables are in it all the same', undefined, XT, /in tables of their own/],
  ])('is not written by nft where %s', async (_, answer, rule, words) => {
    const firewall = ofIptables(rule)
    if (answer !== undefined) firewall.kept.set('ipv4', answer)
    const before = structuredClone(firewall.objects)
    expect((await openedBy(firewall)).failed).toMatchObject([
      { object: 'iptables-nft', message: expect.stringMatching(words) as unknown },
    ])
    expect(firewall.objects).toEqual(before)
    expect(firewall.transactions).toEqual([])
  })

  test('is opened as soon as iptables answers again', async () => {
    const firewall = ofIptables()
    firewall.kept.set('ipv4', BUSY)
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    expect((await sink.open(state([WEB]), NONE, 'full', NOW)).failed).toHaveLength(1)
    firewall.kept.set('ipv4', [':INPUT DROP [0:0]'])
    expect(await sink.open(state([WEB]), NONE, 'changes', NOW + 1_000)).toMatchObject({
      applied: { 'open-chain': 1, 'add-rule': 1 },
      failed: [],
      driftRepaired: 0,
    })
  })

  test('and that nft alone has written is one of nftables', async () => {
    const firewall = ofIptables([{ match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'lo' } }, { accept: null }])
    expect((await openedBy(firewall)).failed).toEqual([])
    expect(firewall.rules('INPUT')).toEqual(['accept', 'pointsman'])
    const withSets = ofIptables([])
    withSets.kept.set('ipv4', MISSING)
    withSets.objects.push({ set: { family: 'ip', table: 'filter', name: 'clients', type: 'ipv4_addr' } })
    expect((await openedBy(withSets)).failed).toEqual([])
  })

  test('and is not its filter is let alone', async () => {
    const firewall = new FakeFirewall()
    firewall.table('ip', 'mangle')
    firewall.chain('ip mangle', 'INPUT', { hook: 'input', policy: 'drop' })
    expect((await openedBy(firewall)).failed).toMatchObject([{ object: 'nftables table ip mangle' }])
    expect(firewall.transactions).toEqual([])
  })
})

describe('a table of nftables', () => {
  const owned = (name: string, flags?: unknown) => {
    const firewall = new FakeFirewall()
    firewall.objects.push({ table: { family: 'inet', name, ...(flags !== undefined && { flags }) } })
    firewall.chain(`inet ${name}`, 'input', { hook: 'input', policy: 'drop' })
    return firewall
  }

  test.each<[string, FakeFirewall, RegExp]>([
    ['that its program owns', owned('site', ['owner', 'persist']), /owns this table \(flags owner\).*`pointsman doctor`/],
    ['that its program owns, as later versions of nft print it', owned('site', 'owner'), /flags owner/],
    ['of firewalld from version 2 on', owned('firewalld', ['owner', 'persist']), /flags owner/],
  ])('%s is not written, and the failure says what is to be run', async (_, firewall, words) => {
    expect((await openedBy(firewall)).failed).toMatchObject([{ message: expect.stringMatching(words) as unknown }])
    expect(firewall.transactions).toEqual([])
  })

  test('in which nothing is to pass, as firewalld wants it while it reloads, is no failure', async () => {
    const firewall = owned('firewalld_policy_drop')
    expect((await openedBy(firewall)).failed).toEqual([])
    expect(firewall.transactions).toEqual([])
  })

  test('with other flags is written', async () => {
    expect((await openedBy(owned('site', ['dormant']))).failed).toEqual([])
  })

  test('that cannot be written any more holds nothing back in the others when all of ours is to go', async () => {
    const firewall = new FakeFirewall()
    for (const name of ['first', 'second']) {
      firewall.table('inet', name)
      firewall.chain(`inet ${name}`, name, { hook: 'input', policy: 'drop' })
    }
    await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
    await sink.open(state([WEB]), NONE, 'full', NOW)
    expect([firewall.rules('first'), firewall.rules('second')]).toEqual([['pointsman'], ['pointsman']])
    firewall.byOthers((objects) =>
      objects.map((object) => {
        const table = object['table'] as { name: string } | undefined
        return table?.name === 'first' ? { table: { ...table, flags: 'owner' } } : object
      }),
    )
    await expect(sink.remove()).rejects.toMatchObject({ code: 'KERNEL_REFUSED' })
    expect([firewall.rules('first'), firewall.rules('second')]).toEqual([['pointsman'], []])
  })
})
