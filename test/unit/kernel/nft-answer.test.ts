import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readAnswer } from '../../../src/kernel/nftables/read-answer.ts'

/** As jansson writes it: a blank behind every colon and comma. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)}: ${written(each)}`)
    .join(', ')}}`
}

const METAINFO = { metainfo: { version: '1.0.6', json_schema_version: 1 } }
const answer = (...objects: unknown[]) => written({ nftables: [METAINFO, ...objects] })

it('gives the objects without what nftables says of itself', async () => {
  const objects = [
    { table: { family: 'inet', name: 't', handle: 1 } },
    { map: { name: 'm', elem: [[{ concat: ['10.0.0.1', 'tcp', 80] }, '10.0.0.9']] } },
    { set: { name: 'empty' } },
    { set: { name: 's', elem: [{ elem: { val: 1, comment: '], "elem": [' } }, 2] } },
    { rule: { expr: [{ match: { right: { set: [1, 2] } } }], comment: '"elem": [1' } },
  ]
  expect(await readAnswer(answer(...objects))).toEqual(objects)
})

it('reads lists that are larger than what is parsed in one step', async () => {
  const elem = Array.from({ length: 20_000 }, (_, index) => [
    { concat: [`10.0.${index >> 8}.${index & 255}`, 'tcp', 80] },
    'a"\\]',
  ])
  const objects = [{ map: { name: 'm', elem, handle: 3 } }, { set: { name: 's', elem: ['x'] } }]
  expect(await readAnswer(answer(...objects))).toEqual(objects)
})

it.each([['nonsense'], ['{"nftables": [{"set": {"elem": [1, 2'], ['{"nftables": [{"set": {"elem": [1, }], "a": 1}]}'], ['']])(
  'refuses %j',
  async (text) => {
    await expect(readAnswer(text)).rejects.toBeInstanceOf(SyntaxError)
  },
)

const element = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, fc.string(), fc.integer(), tie('list'), tie('range')),
  list: fc.array(tie('any'), { maxLength: 3 }),
  range: fc.record({ range: fc.tuple(tie('any'), tie('any')) }),
})).any

it('reads whatever stands in elements', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ name: fc.string(), elem: fc.array(element) })), async (sets) => {
      const objects = sets.map((set) => ({ set }))
      expect(await readAnswer(answer(...objects))).toEqual(objects)
    }),
  )
})
