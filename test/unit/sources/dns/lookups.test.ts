import { firstValueFrom } from 'rxjs'
import { describe, expect, it, vi } from 'vitest'
import type { DnsNetwork } from '../../../../src/model/dns-source-spec.ts'
import { Lookups } from '../../../../src/sources/dns/lookups.ts'
import type { Answer } from '../../../../src/sources/dns/resolver.ts'
import { SCOUT_GAP } from '../../../../src/sources/recovery.ts'
import { records } from './support.ts'

const network: DnsNetwork = { transport: 'auto', timeout: 2_000 }
const question = { name: 'web.example', type: 'A' } as const
const never = () => false

function bench() {
  const running: { readonly answer: (answer: Answer) => void; readonly signal: AbortSignal }[] = []
  const lookups = new Lookups(
    (_question, _network, signal) => new Promise((resolve) => running.push({ answer: resolve, signal })),
  )
  return { lookups, running }
}

describe('questions that many ask', () => {
  it('are asked once at a time', async () => {
    const { lookups, running } = bench()
    const both = [lookups.ask(question, network, never), lookups.ask(question, network, never)].map((one) => firstValueFrom(one))
    expect(running).toHaveLength(1)
    running[0]?.answer(records([], { at: 5 }))
    expect(await Promise.all(both)).toEqual([records([], { at: 5 }), records([], { at: 5 })])
  })

  it('are answered by the last answer for whom it is news', async () => {
    const { lookups, running } = bench()
    const first = firstValueFrom(lookups.ask(question, network, never))
    running[0]?.answer(records([], { at: 5 }))
    await first
    expect(await firstValueFrom(lookups.ask(question, network, ({ at }) => at > 4))).toMatchObject({ at: 5 })
    expect(running).toHaveLength(1)
    const again = firstValueFrom(lookups.ask(question, network, ({ at }) => at > 5))
    expect(running).toHaveLength(2)
    running[1]?.answer(records([], { at: 9 }))
    expect(await again).toMatchObject({ at: 9 })
  })

  it('are asked beside one that may hang by whoever does not ask for the first time, and the late answer is not lost', async () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0)
    try {
      const { lookups, running } = bench()
      const hung = firstValueFrom(lookups.ask(question, network, never))
      clock.mockReturnValue(SCOUT_GAP - 1)
      lookups.ask(question, network, never, 'beside').subscribe().unsubscribe()
      expect(running).toHaveLength(1)
      clock.mockReturnValue(SCOUT_GAP)
      lookups.ask(question, network, never, 'first').subscribe().unsubscribe()
      expect(running).toHaveLength(1)
      const besides = [lookups.ask(question, network, never, 'beside'), lookups.ask(question, network, never, 'anew')]
      const answers = besides.map((one) => firstValueFrom(one))
      expect(running).toHaveLength(2)
      running[1]?.answer(records([], { at: 9 }))
      expect(await Promise.all(answers)).toMatchObject([{ at: 9 }, { at: 9 }])
      running[0]?.answer(records([], { at: 10 }))
      expect(await hung).toMatchObject({ at: 10 })
    } finally {
      clock.mockRestore()
    }
  })

  it('are different for another name, type, server or transport', () => {
    const { lookups, running } = bench()
    const others = [
      lookups.ask(question, network, never),
      lookups.ask({ ...question, name: 'b.example' }, network, never),
      lookups.ask({ ...question, type: 'AAAA' }, network, never),
      lookups.ask(question, { ...network, transport: 'tcp' }, never),
      lookups.ask(question, { ...network, servers: [{ address: '10.0.0.1', port: 53 }] }, never),
    ].map((one) => one.subscribe())
    expect(running).toHaveLength(5)
    for (const one of others) one.unsubscribe()
  })

  it('are given up when the last one who waits is gone, and can be asked again', () => {
    const { lookups, running } = bench()
    const one = lookups.ask(question, network, never).subscribe()
    const other = lookups.ask(question, network, never).subscribe()
    one.unsubscribe()
    expect(running[0]?.signal.aborted).toBe(false)
    other.unsubscribe()
    expect(running[0]?.signal.aborted).toBe(true)
    lookups.ask(question, network, never).subscribe().unsubscribe()
    expect(running).toHaveLength(2)
  })
})
