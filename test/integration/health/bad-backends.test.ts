import { describe, expect, it } from 'vitest'
import type { Probe } from '../../../src/health/probe.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { BAD_MANNERS, deserted, nothingIsLeft, serving } from './bad-servers.ts'
import { probeOf } from './who-asks.ts'

const PROBES: Readonly<Record<string, (target: ProbeTarget) => Probe>> = {
  smtp: (target) => probeOf({ kind: 'smtp', helo: 'director.example' }, target),
  grpc: (target) => probeOf({ kind: 'grpc', service: '' }, target),
  dns: (target) => probeOf({ kind: 'dns', name: 'web.example', type: 'A', transport: 'tcp', rcode: 0 }, target),
  syslog: (target) => probeOf({ kind: 'syslog', transport: 'tcp', facility: 16, severity: 7, message: 'hello' }, target),
  agent: (target) => probeOf({ kind: 'agent' }, target),
}

const FAILURES: Readonly<Record<string, readonly string[]>> = {
  'accepts and never answers': ['no-answer'],
  'answers one byte a second': ['no-answer'],
  'never ends its answer': ['wrong-answer'],
  'closes at once': ['closed'],
  'resets at once': ['closed'],
}

describe.each(Object.keys(PROBES))('%s', (kind) => {
  const probe = PROBES[kind] ?? (() => expect.unreachable())

  it.each(Object.keys(FAILURES))('of a backend that %s ends in time, with the right word and no socket left', async (manners) => {
    const target = await serving(BAD_MANNERS[manners] ?? (() => {}))
    const begun = performance.now()
    const result = await probe(target)(AbortSignal.timeout(1_500))
    expect(performance.now() - begun).toBeLessThan(2_500)
    if (kind === 'agent')
      expect(result).toMatchObject({ outcome: 'unknown', message: expect.stringMatching(/^the agent at 127/) })
    else {
      expect(result).toMatchObject({ outcome: 'failed', message: expect.stringMatching(/^127\.0\.0\.1:\d+ /) })
      expect(FAILURES[manners]).toContain(result.outcome === 'failed' && result.failure)
    }
    await nothingIsLeft()
  })

  it('is refused where nobody listens', async () => {
    const result = await probe(await deserted())(AbortSignal.timeout(1_500))
    if (kind === 'agent')
      expect(result).toMatchObject({ outcome: 'unknown', message: expect.stringContaining('refuses connections') })
    else expect(result).toMatchObject({ outcome: 'failed', failure: 'refused' })
    await nothingIsLeft()
  })

  it('settles at once when its time is over before it begins, and when it is over in the middle', async () => {
    const target = await serving(BAD_MANNERS['accepts and never answers'] ?? (() => {}))
    const over = await probe(target)(AbortSignal.abort())
    expect(over).toMatchObject(kind === 'agent' ? { outcome: 'unknown' } : { outcome: 'failed', failure: 'timed-out' })
    const controller = new AbortController()
    const asked = probe(target)(controller.signal)
    setTimeout(() => controller.abort(), 100)
    expect(await asked).toMatchObject(kind === 'agent' ? { outcome: 'unknown' } : { outcome: 'failed', failure: 'no-answer' })
    await nothingIsLeft()
  })
})
