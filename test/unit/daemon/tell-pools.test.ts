import { expect, it } from 'vitest'
import { judgeHealth } from '../../../src/admin/health.ts'
import { Metrics } from '../../../src/admin/metrics.ts'
import { Status } from '../../../src/daemon/status.ts'
import { tellPools, wordCounts } from '../../../src/daemon/tell-pools.ts'
import { NO_WORDS, say } from '../../../src/model/operator-words.ts'
import { DEFAULT_POLICY } from '../../../src/model/policy-spec.ts'
import type { Health } from '../../../src/model/probe-result.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { bench, web } from '../pipeline/bench.ts'
import { backends, key, spec, tcpCheck } from '../pipeline/makers.ts'

const policy = { ...DEFAULT_POLICY, panic: 'off', quorum: { by: 'count', min: 2, hysteresis: 0 } } as const
const probed = spec({ backends: backends(1, 2), checks: [tcpCheck], debounce: { min: 0, max: 0 }, policy })

it('health and metrics follow the pools, and forget those that are gone', async () => {
  const status = new Status('ipvs', 30_000, () => 0)
  status.passEnded(undefined, true, [])
  const metrics = new Metrics({ version: '1', commit: undefined, node: 'v24' }, () => judgeHealth(status.facts(), 0), {
    wall: () => 0,
    steady: () => 0,
  })
  const made = bench(probed)
  let told = 0
  const look = async () => {
    for (; told < made.updates.length; told++) {
      const update = made.updates[told]
      if (update !== undefined) tellPools(made.updates[told - 1], update, { status, metrics })
    }
    const families = parseExposition(await metrics.text())
    const mode = ['normal', 'panic', 'sorry', 'nobody'].filter(
      (each) =>
        sampleOf(families, 'pointsman_service_pool_mode', {
          service: made.updates.at(-1)?.provenance.get(web)?.spec.name ?? 'web',
          mode: each,
        }) === 1,
    )
    const pools = status.facts().pools.map(({ service, mode: how, hasQuorum }) => [service, how, hasQuorum])
    return { mode, quorum: sampleOf(families, 'pointsman_service_quorum'), pools }
  }
  const find = (now: number, ...healths: Health[]) => {
    const found = healths.map((health, index) => {
      const failure = health === 'down' ? { failure: 'refused' as const } : {}
      return [key(index + 1), { health, since: 0, turns: 0, ...failure }] as const
    })
    made.operational$.next({ service: web, found: new Map(found) })
    made.until(now)
  }
  find(1_000, 'up', 'up')
  expect(await look()).toEqual({ mode: ['normal'], quorum: 1, pools: [] })
  find(2_000, 'up', 'down')
  expect(await look()).toEqual({ mode: ['normal'], quorum: 0, pools: [['web', 'normal', false]] })
  find(3_000, 'down', 'down')
  expect(await look()).toEqual({ mode: ['nobody'], quorum: 0, pools: [['web', 'nobody', false]] })
  made.configure({ ...probed, name: 'shop' })
  expect(await look()).toEqual({ mode: ['nobody'], quorum: 0, pools: [['shop', 'nobody', false]] })
  expect(await metrics.text()).not.toContain('service="web"')
  made.configure()
  expect(await look()).toEqual({ mode: [], quorum: undefined, pools: [] })
})

it('a service without members is not one that fails', () => {
  const status = new Status('ipvs', 30_000, () => 0)
  const metrics = { poolChanged: () => {} }
  const [update] = bench(spec({ backends: backends() })).updates
  if (update === undefined) throw new Error('no desired state')
  tellPools(undefined, update, { status, metrics })
  expect(status.facts().pools).toEqual([])
})

it('words are counted by what they say', () => {
  const about = (number: number) => ({ service: web, backend: key(number) })
  let words = say(NO_WORDS, about(1), { verb: 'drain' }, 0)
  words = say(words, about(1), { verb: 'weight', weight: 3 }, 0)
  words = say(words, about(2), { verb: 'maintenance' }, 0)
  words = say(words, about(3), { verb: 'weight', weight: 0 }, 0)
  expect(wordCounts(words)).toEqual({ drain: 1, maintenance: 1, weight: 2 })
})
