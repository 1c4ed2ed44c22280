import { describe, expect, it } from 'vitest'
import { agentProbe } from '../../../src/health/agent.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { nothingIsLeft, serving } from './bad-servers.ts'

function ask(target: ProbeTarget, send?: string) {
  return agentProbe(target, { kind: 'agent', ...(send !== undefined && { send }) })(AbortSignal.timeout(1_000))
}

/** An agent that answers each connection in these pieces, and then leaves it open unless it `closes`. */
function saying(pieces: readonly string[], closes = false): Promise<ProbeTarget> {
  return serving((socket) => {
    socket.resume()
    const next = (index: number) => {
      const piece = pieces[index]
      if (piece !== undefined) socket.write(piece, () => setTimeout(() => next(index + 1), 20))
      else if (closes) socket.destroySoon()
    }
    next(0)
  })
}

describe('an agent', () => {
  it.each([
    [['up\n'], false],
    [['up\r\n'], false],
    [['up\rdown'], false],
    [['u', 'p', '\n'], false],
    [['up'], true],
  ])('that says %j is understood at the end of the line or of the connection', async (pieces, closes) => {
    expect(await ask(await saying(pieces, closes))).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('tells its share of the weight and what it wishes, up or down', async () => {
    expect(await ask(await saying(['50%\n']))).toEqual({ outcome: 'passed', report: { percent: 50 } })
    expect(await ask(await saying(['up drain 10%\n']))).toEqual({ outcome: 'passed', report: { percent: 10, wish: 'drain' } })
    const target = await saying(['stopped maint # for an upgrade\n'])
    expect(await ask(target)).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `the agent at 127.0.0.1:${target.port} says stopped: for an upgrade`,
      report: { wish: 'maintenance' },
    })
    await nothingIsLeft()
  })

  it('is told first who asks, where it wants to be', async () => {
    const target = await serving((socket) =>
      socket.on('data', (chunk) => socket.write(chunk.toString() === 'web-1\n' ? 'up\n' : 'down\n')),
    )
    expect(await ask(target, 'web-1\n')).toEqual({ outcome: 'passed' })
    expect(await ask(target, 'web-2\n')).toMatchObject({ outcome: 'failed' })
  })

  it('that says nothing known tells nothing of the backend', async () => {
    const target = await saying(['HTTP/1.1 400 Bad Request\r\n'])
    expect(await ask(target)).toEqual({
      outcome: 'unknown',
      message: `the agent at 127.0.0.1:${target.port} says nothing that is known: "HTTP/1.1 400 Bad Request"`,
    })
    await nothingIsLeft()
  })
})
