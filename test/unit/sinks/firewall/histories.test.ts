import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DesiredService } from '../../../../src/model/desired-state.ts'
import { SharedMap } from '../../../../src/model/shared-map.ts'
import { type ServiceKey, serviceKey } from '../../../../src/model/virtual-service.ts'
import { createFirewallSink } from '../../../../src/sinks/firewall/firewall-sink.ts'
import { service } from '../../../support/desired.ts'
import { FakeFirewall } from '../../../support/fake-firewall.ts'

const NOW = 1_000_000
const NONE = { table: new Map(), holds: () => false, draining: new Set<ServiceKey>() }

/** Rules that users write: some clients refused, a service refused, a service allowed. */
const RULES = [
  '-A INPUT -s 192.0.2.0/24 -j DROP',
  '-A INPUT -p tcp -m tcp --dport 81 -j DROP',
  '-A INPUT -p tcp -m tcp --dport 82 -j ACCEPT',
  '-A INPUT -d 10.9.0.3/32 -j DROP',
  '-A INPUT -p tcp -m tcp --dport 83 -m limit --limit 5/sec -j DROP',
] as const

type Step =
  | { readonly kind: 'services'; readonly ports: readonly number[]; readonly backends: readonly number[] }
  | { readonly kind: 'rules'; readonly chosen: readonly number[] }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('services' as const),
    ports: fc.uniqueArray(fc.integer({ min: 80, max: 84 })),
    backends: fc.uniqueArray(fc.integer({ min: 1, max: 3 })),
  }),
  fc.record({ kind: fc.constant('rules' as const), chosen: fc.uniqueArray(fc.integer({ min: 0, max: RULES.length - 1 })) }),
)

/** A chain that drops, in both kinds of filters. */
function host(): FakeFirewall {
  const firewall = new FakeFirewall()
  firewall.legacy.set('ipv4', [':INPUT DROP [0:0]', ':FORWARD ACCEPT [0:0]', ':OUTPUT DROP [0:0]'])
  firewall.table('inet', 'site')
  for (const hook of ['input', 'output', 'forward']) firewall.chain('inet site', hook, { hook, policy: 'drop' })
  return firewall
}

function desiredBy({ ports, backends }: Step & { kind: 'services' }): Map<ServiceKey, DesiredService> {
  const to = backends.map((host) => `10.2.1.${host}:8080`)
  const services = ports.map((port) => service(`tcp/10.9.0.${port % 4}:${port}`, to))
  return new Map(services.map((each) => [serviceKey(each.identity), each]))
}

/** What the rules are, whatever the order in which openings came. */
function picture(firewall: FakeFirewall): unknown {
  const lines = firewall.legacy.get('ipv4') ?? []
  const isOurs = (line: string) => /^(:|-A )POINTSMAN/.test(line)
  const sets = firewall.objects.flatMap(({ set }) => {
    const { name, elem = [] } = (set ?? {}) as { name?: string; elem?: unknown[] }
    return name === undefined ? [] : [[name, elem.map((each) => JSON.stringify(each)).toSorted()]]
  })
  return {
    rules: ['INPUT', 'OUTPUT'].map((chain) => lines.filter((line) => line.startsWith(`-A ${chain} `))),
    ours: lines.filter(isOurs).toSorted(),
    chains: ['input', 'output', 'forward'].map((chain) => firewall.rules(chain)),
    sets: sets.toSorted(),
  }
}

test('whatever happened before, filters are as somebody makes them who sees them for the first time', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const firewall = host()
      await using sink = createFirewallSink({ kernel: firewall, tracked: () => true, random: () => 0.5 })
      let services = SharedMap.from<ServiceKey, DesiredService>([])
      let chosen: readonly number[] = []
      const pass = async (one: typeof sink, scope: 'changes' | 'full') => {
        await one.open({ services }, NONE, scope, NOW)
        await one.close({ services }, NONE, NOW)
      }
      for (const each of steps) {
        if (each.kind === 'rules') {
          chosen = each.chosen
          const kept = (firewall.legacy.get('ipv4') ?? []).filter((line) => !(RULES as readonly string[]).includes(line))
          firewall.legacy.set('ipv4', [...kept, ...chosen.map((at) => RULES[at] as string)])
        } else {
          const next = desiredBy(each)
          services = services.edited([...new Set([...services.keys(), ...next.keys()])], (key) => next.get(key))
        }
        await pass(sink, each.kind === 'rules' ? 'full' : 'changes')
        const anew = host()
        anew.legacy.get('ipv4')?.push(...chosen.map((at) => RULES[at] as string))
        await using fresh = createFirewallSink({ kernel: anew, tracked: () => true, random: () => 0.5 })
        await pass(fresh, 'full')
        expect(picture(firewall)).toEqual(picture(anew))
      }
      await sink.remove()
      expect(JSON.stringify([firewall.objects, firewall.legacy.get('ipv4')])).not.toMatch(/pointsman/i)
    }),
    { numRuns: 30 },
  )
})
