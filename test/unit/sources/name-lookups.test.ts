import type { LookupAddress } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { NameLookups } from '../../../src/sources/name-lookups.ts'

function bench() {
  const asked: string[] = []
  const answers = new Map<string, PromiseWithResolvers<LookupAddress[]>>()
  const lookups = new NameLookups((name) => {
    asked.push(name)
    const answer = Promise.withResolvers<LookupAddress[]>()
    answers.set(name, answer)
    return answer.promise
  })
  const ask = (name: string, all = true) =>
    new Promise<unknown>((resolve) =>
      lookups.lookup(name, { all }, (error, found, family) => resolve(error?.message ?? (all ? found : [found, family]))),
    )
  const answer = (name: string) => answers.get(name)?.resolve([{ address: `10.0.0.${name.length}`, family: 4 }])
  const fail = (name: string) => answers.get(name)?.reject(new Error(`no ${name}`))
  return { asked, ask, answer, fail }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('lookups of names', () => {
  it('run two at a time, the others in their order, failures included', async () => {
    const { asked, ask, answer, fail } = bench()
    const results = ['a', 'bb', 'ccc', 'dddd'].map((name) => ask(name))
    await settled()
    expect(asked).toEqual(['a', 'bb'])
    fail('bb')
    await settled()
    expect(asked).toEqual(['a', 'bb', 'ccc'])
    for (const name of ['a', 'ccc']) answer(name)
    await settled()
    answer('dddd')
    expect(await Promise.all(results)).toEqual([
      [{ address: '10.0.0.1', family: 4 }],
      'no bb',
      [{ address: '10.0.0.3', family: 4 }],
      [{ address: '10.0.0.4', family: 4 }],
    ])
    const again = ask('eeeee')
    await settled()
    answer('eeeee')
    expect(await again).toEqual([{ address: '10.0.0.5', family: 4 }])
  })

  it('are shared by all who ask for the same name meanwhile, and made anew afterwards', async () => {
    const { asked, ask, answer } = bench()
    const results = [ask('a'), ask('a', false), ask('a')]
    await settled()
    answer('a')
    const list = [{ address: '10.0.0.1', family: 4 }]
    expect(await Promise.all(results)).toEqual([list, ['10.0.0.1', 4], list])
    const later = ask('a')
    await settled()
    answer('a')
    await later
    expect(asked).toEqual(['a', 'a'])
  })

  it('find what the machine knows', async () => {
    const found = await new Promise((resolve) =>
      new NameLookups().lookup('localhost', { family: 4 }, (error, address) => resolve(error ?? address)),
    )
    expect(found).toBe('127.0.0.1')
  })
})
