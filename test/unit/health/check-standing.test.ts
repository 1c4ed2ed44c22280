import { describe, expect, it } from 'vitest'
import { afterResult, type CheckStanding, firstStanding, together } from '../../../src/health/check-standing.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'

const rules = { rise: 2, fall: 1, initial: 'unknown' } as const
const passed: ProbeResult = { outcome: 'passed' }
const sick: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'answers with status 404' }
const learntNothing: ProbeResult = { outcome: 'unknown', message: 'no connection could be tried (EMFILE)' }

function standingAfter(...results: readonly ProbeResult[]): CheckStanding {
  return results.reduce((standing, result, at) => afterResult(standing, result, rules, at), firstStanding(rules, 0))
}

// The guard against correlated failures holds by the failure: without it a backend would be taken out because it begins to pass.
describe('the failure that a check is down by', () => {
  it('stays while it begins to pass, and when nothing is learnt', () => {
    for (const last of [passed, learntNothing]) {
      const standing = standingAfter(passed, sick, last)
      expect(standing).toMatchObject({ health: 'down', failure: 'wrong-answer' })
      expect(together([{ kind: 'http', standing }])).toMatchObject({ health: 'down', failure: 'wrong-answer' })
    }
    expect(standingAfter(passed, sick, passed)).not.toHaveProperty('message')
  })

  it('is that of the last result that failed, and none once it is up', () => {
    const refused: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'refuses connections' }
    expect(standingAfter(passed, sick, learntNothing, refused)).toMatchObject({ failure: 'refused' })
    expect(standingAfter(passed, sick, passed, passed)).not.toHaveProperty('failure')
  })

  it('is told of several checks, whichever of them has something to say', () => {
    const standings = [standingAfter(passed, sick, passed), standingAfter(passed, passed)]
    const found = together(
      standings.map((standing, index) => ({ kind: index === 0 ? ('http' as const) : ('tcp' as const), standing })),
    )
    expect(found).toMatchObject({ health: 'down', failure: 'wrong-answer' })
    expect(found).not.toHaveProperty('message')
  })
})

describe('of several checks that are down', () => {
  const refused: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'refuses connections' }
  const http = { kind: 'http', standing: standingAfter(passed, sick) } as const
  const tcp = { kind: 'tcp', standing: standingAfter(passed, refused) } as const

  it.each([[[http, tcp]], [[tcp, http]]])('the one that cannot connect is told, wherever it stands', (checks) => {
    expect(together(checks)).toMatchObject({ health: 'down', failure: 'refused', message: 'tcp: refuses connections' })
  })

  it('a connection that is refused once makes nobody dead who is not down by that', () => {
    const wavering = { kind: 'tcp', standing: afterResult(standingAfter(passed), refused, { ...rules, fall: 3 }, 9) } as const
    expect(together([http, wavering])).toMatchObject({ health: 'down', failure: 'wrong-answer' })
  })
})

describe('an agent that was asked and never said anything', () => {
  const silent = { kind: 'agent', standing: standingAfter(learntNothing) } as const

  it('keeps nobody from being up or down by another check', () => {
    expect(together([{ kind: 'tcp', standing: standingAfter(passed) }, silent])).toMatchObject({ health: 'up' })
    expect(together([{ kind: 'tcp', standing: standingAfter(passed, sick) }, silent])).toMatchObject({ health: 'down' })
  })

  it('is waited for until it was asked, and leaves the backend unknown where there is nothing else', () => {
    const other = { kind: 'tcp', standing: standingAfter(passed) } as const
    expect(together([other, { kind: 'agent', standing: standingAfter() }])).toMatchObject({ health: 'unknown' })
    expect(together([silent, silent])).toMatchObject({ health: 'unknown', message: expect.stringContaining('agent: ') })
    expect(together([other, { ...silent, kind: 'http' }])).toMatchObject({ health: 'unknown' })
  })
})
