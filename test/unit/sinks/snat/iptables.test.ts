import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PointsmanError } from '../../../../src/errors.ts'
import type { DesiredState } from '../../../../src/model/desired-state.ts'
import { createIptablesSnatSink } from '../../../../src/sinks/snat/snat-sink.ts'
import { FakeIptables } from '../../../support/fake-iptables.ts'
import { ALL_SERVED, keys, NOTHING_SERVED, service, state, translated } from './rig.ts'

const CHAIN = 'POINTSMAN'
const WEB = 'tcp/10.9.0.1:80'
const DNS = 'udp/[fd00:9::1]:53'

function rig(kernel = new FakeIptables(), instance?: string) {
  const sink = createIptablesSnatSink({ kernel, random: () => 0.5, ...(instance === undefined ? {} : { instance }) })
  let now = 0
  return {
    kernel,
    sink,
    transactions: () => kernel.transactions.splice(0),
    rules: () => [...(kernel.rules('ipv4', CHAIN) ?? []), ...(kernel.rules('ipv6', CHAIN) ?? [])],
    pass: async (desired: DesiredState, scope: 'changes' | 'full' = 'changes', still = NOTHING_SERVED) => {
      now += 100_000
      return { opened: await sink.open(desired, scope, now), closed: await sink.close(desired, still, now) }
    },
  }
}

describe('source NAT by iptables', () => {
  it('has one rule a service, before what others translate, IPv4 and IPv6, by port before every port, and by mark', async () => {
    const { pass, kernel, rules } = rig()
    const { opened } = await pass(
      state([
        translated('tcp/10.9.0.1:0', '10.0.0.9-10.0.0.12'),
        translated(WEB),
        translated(DNS, 'fd00::9'),
        translated('fwmark/7/ipv4', '10.0.0.9', ['10.2.1.2:80']),
      ]),
    )
    expect(opened).toMatchObject({ applied: { 'add-table': 1, 'add-element': 4 }, unconfirmed: keys(), failed: [] })
    const marked = (protocol: string) =>
      `-d 10.2.1.2 -p ${protocol} -m ${protocol} --dport 80 -m mark --mark 7 -j SNAT --to-source 10.0.0.9:32768-60999 --random-fully`
    expect(rules()).toEqual([
      marked('sctp'),
      marked('udp'),
      marked('tcp'),
      '-p tcp -m conntrack --ctorigdst 10.9.0.1 --ctorigdstport 80 -j MASQUERADE --to-ports 32768-60999 --random-fully',
      '-p tcp -m conntrack --ctorigdst 10.9.0.1 -j SNAT --to-source 10.0.0.9-10.0.0.12:32768-60999 --random-fully',
      '-p udp -m conntrack --ctorigdst fd00:9::1 --ctorigdstport 53 -j SNAT --to-source [fd00::9]:32768-60999 --random-fully',
    ])
    expect(kernel.rules('ipv4', 'POSTROUTING')).toEqual([`-m conntrack ! --ctstate INVALID -j ${CHAIN}`, '-o eth0 -j MASQUERADE'])
  })

  it('writes what changed in one transaction of its family, and takes all of ours away in the end', async () => {
    const { pass, sink, kernel, transactions, rules } = rig()
    await pass(state([translated(WEB), translated(DNS)]))
    expect(transactions()).toHaveLength(2)
    await pass(state([translated(WEB, '10.0.0.9'), translated(DNS)]))
    const [changed, ...more] = transactions()
    expect([changed?.map((line) => line.split(' ')[0]), more]).toEqual([['ipv4', '-D', '-I'], []])
    expect(rules()[0]).toContain('10.0.0.9')
    await pass(state([translated(WEB, '10.0.0.9'), service('tcp/10.9.0.2:50000')]))
    expect(rules()).toEqual([expect.stringContaining('10.0.0.9:32768-49999 --random-fully')])
    await pass(state([service(WEB)]))
    expect(rules()).toEqual([])
    await sink.remove()
    expect([kernel.rules('ipv4', CHAIN), kernel.rules('ipv6', CHAIN)]).toEqual([undefined, undefined])
    expect(kernel.rules('ipv4', 'POSTROUTING')).toEqual(['-o eth0 -j MASQUERADE'])
  })

  it('needs no ip6tables where nothing is translated over IPv6', async () => {
    const { pass, kernel } = rig()
    kernel.lacks = 'ipv6'
    expect((await pass(state([translated(WEB)]))).opened).toMatchObject({ failed: [], unconfirmed: keys() })
    expect(kernel.rules('ipv6', CHAIN)).toBeUndefined()
    const { opened } = await pass(state([translated(WEB), translated(DNS), translated('tcp/10.9.0.2:80')]))
    expect(opened.failed).toMatchObject([{ code: 'NFT_MISSING' }])
    await pass(state([translated(WEB), translated(DNS), translated('tcp/10.9.0.2:80')]))
    const third = await pass(state([translated(WEB), translated(DNS), translated('tcp/10.9.0.2:80')]))
    expect(third.opened.unconfirmed).toEqual(keys(DNS))
    expect(kernel.rules('ipv4', CHAIN)).toHaveLength(2)
  })

  it.each([
    ['everything is flushed', [`-F ${CHAIN}`, '-F POSTROUTING'], 'rebuild-table'],
    ['the way into the chain is gone', ['-F POSTROUTING'], 'rebuild-table'],
    ['a rule is strange', [`-A ${CHAIN} -j ACCEPT`], 'write-rules'],
  ])('puts right at the next full pass: %s', async (_, lines, kind) => {
    const { pass, kernel, rules } = rig()
    const desired = state([translated(WEB), translated(DNS)])
    await pass(desired)
    const [before, way] = [rules(), kernel.rules('ipv4', 'POSTROUTING')?.[0]]
    kernel.byOthers('ipv4', lines)
    const { opened } = await pass(desired, 'full', ALL_SERVED)
    expect(opened.applied).toMatchObject({ [kind]: 1 })
    expect(opened.driftRepaired).toBeGreaterThan(0)
    expect([rules(), kernel.rules('ipv4', 'POSTROUTING')?.[0]]).toEqual([before, way])
    expect((await pass(desired, 'full')).opened).toMatchObject({ applied: {}, driftRepaired: 0 })
  })

  it.each([
    ['all is flushed', [`-F ${CHAIN}`, '-F POSTROUTING']],
    ['a rule is strange', [`-A ${CHAIN} -j ACCEPT`]],
  ])('leaves the rules of IPv4 as they stand while those of IPv6 are put right: %s', async (_, lines) => {
    const { pass, kernel, rules, transactions } = rig()
    const desired = state([translated(WEB), translated('tcp/10.9.0.1:81'), translated(DNS)])
    await pass(desired)
    const before = rules()
    transactions()
    kernel.byOthers('ipv6', lines)
    await pass(desired, 'full', ALL_SERVED)
    expect(transactions().map(([family]) => family)).toEqual(['ipv6'])
    expect(rules()).toEqual(before)
  })

  it('puts right at once what a change that it is told of has taken away, and is not disturbed by its own', async () => {
    const { pass, kernel, sink, rules } = rig()
    const desired = state([translated(WEB), translated(DNS)])
    await pass(desired)
    const before = rules()
    let times = 0
    const disturbed = new Promise<void>((resolve) => {
      sink.onDisturbed(() => {
        times += 1
        resolve()
      })
    })
    kernel.byOthers('ipv4', [`-F ${CHAIN}`])
    await disturbed
    expect(rules()).toEqual(before)
    const { opened } = await pass(desired, 'full')
    expect(opened).toMatchObject({ applied: { 'add-element': 1 }, driftRepaired: 1 })
    await sink[Symbol.asyncDispose]()
    expect([times, kernel.watched]).toEqual([1, false])
  })

  it('counts connections, over the protocols of a mark too', async () => {
    const { pass, kernel, sink } = rig()
    await pass(state([translated(WEB), translated('fwmark/7/ipv4', '10.0.0.9', ['10.2.1.2:80'])]))
    kernel.count('ipv4', '--ctorigdst 10.9.0.1', 4)
    kernel.count('ipv4', '--mark 7', 2)
    expect(Object.fromEntries(await sink.readConnections())).toEqual({ [WEB]: 4n, 'fwmark/7/ipv4': 6n })
  })

  it('holds nobody back for one that is refused, and says where iptables is missing', async () => {
    const { pass, kernel, rules } = rig()
    kernel.refuse = (line) => line.includes('10.0.0.66')
    const many = Array.from({ length: 20 }, (_, index) => translated(`tcp/10.9.1.${index}:80`))
    const { opened } = await pass(state([...many, translated(WEB, '10.0.0.66')]))
    expect(opened.unconfirmed).toEqual(keys(WEB))
    expect(rules()).toHaveLength(20)
    const { pass: other, kernel: missing } = rig()
    missing.failure = new PointsmanError('NFT_MISSING', 'iptables-save is not installed.')
    expect((await other(state([translated(WEB)]))).closed.failed).toMatchObject([{ code: 'NFT_MISSING' }])
  })

  it('writes no rule of IPv4 twice where one of IPv6 in the same edit is refused', async () => {
    const { pass, kernel, rules } = rig()
    kernel.refuse = (line) => line.includes('10.0.0.66') || line.includes('fd00::66')
    const services = [
      translated(WEB, '10.0.0.66'),
      translated('tcp/10.9.0.2:80'),
      translated(DNS, 'fd00::66'),
      translated('tcp/10.9.0.3:80'),
    ]
    const { opened } = await pass(state(services))
    expect(opened.unconfirmed).toEqual(keys(WEB, DNS))
    expect(rules().map((rule) => / --ctorigdst (\S+)/.exec(rule)?.[1])).toEqual(['10.9.0.3', '10.9.0.2'])
    const { opened: again } = await pass(state(services), 'full')
    expect(again.driftRepaired).toBe(0)
  })

  it.each([
    ['IPv4', 'ipv4', { unreadable: true }],
    ['IPv6', 'ipv6', { unreadable: true }],
    ['IPv6, for a moment', 'ipv6', {}],
  ] as const)(
    'writes nothing where it cannot be seen what is there, and leaves nothing unsaid: %s',
    async (_, family, detail) => {
      const { pass, kernel, sink, rules, transactions } = rig()
      const desired = state([translated(WEB), translated(DNS)])
      await pass(desired)
      const before = rules()
      transactions()
      kernel.hides = { family, detail }
      const { opened } = await pass(desired, 'full', ALL_SERVED)
      expect(opened).toMatchObject({ failed: [{ code: 'KERNEL_REFUSED' }], driftRepaired: 0, unconfirmed: keys() })
      expect(
        (await pass(state([translated(WEB), translated(DNS), translated('tcp/10.9.0.2:80')]), 'full')).opened.unconfirmed,
      ).toEqual(keys('tcp/10.9.0.2:80'))
      await expect(sink.remove()).rejects.toMatchObject({ code: 'KERNEL_REFUSED' })
      kernel.hides = undefined
      expect([transactions().filter(([of]) => of === family), rules()]).toEqual([
        [],
        family === 'ipv6' ? before.slice(1) : before,
      ])
    },
  )

  it('leaves a chain of the same name that somebody else made, and opens nothing', async () => {
    const { pass, kernel, sink, rules } = rig()
    kernel.byOthers('ipv4', [
      `:${CHAIN} - [0:0]`,
      `-A ${CHAIN} -s 10.3.0.0/16 -j MASQUERADE`,
      `-A POSTROUTING -o eth1 -j ${CHAIN}`,
    ])
    const { opened } = await pass(state([translated(WEB)]))
    expect(opened).toMatchObject({ unconfirmed: keys(WEB), failed: [{ code: 'KERNEL_REFUSED' }] })
    await expect(sink.remove()).rejects.toMatchObject({ code: 'KERNEL_REFUSED' })
    expect([kernel.transactions, rules()]).toEqual([[], ['-s 10.3.0.0/16 -j MASQUERADE']])
  })

  it('goes from any table to any other, also after a restart, and leaves the rules of others', async () => {
    const place = (text: string, nats: readonly string[], backends: readonly string[] = []) =>
      fc.constantFrom(undefined, ...nats.map((nat) => translated(text, nat, backends)))
    const table = fc
      .tuple(
        place(WEB, ['masquerade', '10.0.0.9', '10.0.0.9-10.0.0.12']),
        place('tcp/10.9.0.1:0', ['masquerade', '10.0.0.9']),
        place(DNS, ['masquerade', 'fd00::9-fd00::c']),
        place('fwmark/7/ipv6', ['masquerade', 'fd00::9'], ['[fd00:2:1::2]:80', '[fd00:2:1::3]:0']),
        place('sctp/10.9.0.3:40000', ['10.0.0.9']),
      )
      .map((services) => state(services.filter((one) => one !== undefined)))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(table, fc.boolean()), { minLength: 2, maxLength: 6 }), async (steps) => {
        let { pass, kernel, rules, transactions, sink } = rig()
        for (const [desired, restart] of steps) {
          if (restart) ({ pass, kernel, rules, transactions, sink } = rig(kernel))
          await pass(desired)
          const fresh = rig()
          await fresh.pass(desired)
          expect(rules().sort()).toEqual(fresh.rules().sort())
          transactions()
          await pass(desired, 'full')
          expect(transactions()).toEqual([])
        }
        await sink.remove()
        expect([kernel.rules('ipv4', 'POSTROUTING'), kernel.rules('ipv4', CHAIN), kernel.rules('ipv6', CHAIN)]).toEqual([
          ['-o eth0 -j MASQUERADE'],
          undefined,
          undefined,
        ])
      }),
      { numRuns: 200 },
    )
  }, 60_000)
})
