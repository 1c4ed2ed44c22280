import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parseEndpointList } from '../../../src/document/endpoint-list.ts'
import { publishedEndpointListSchema } from '../../../src/document/endpoint-list-schema.ts'
import { spec } from '../pipeline/makers.ts'

const text = readFileSync(new URL('../../../config/endpoint-list.schema.json', import.meta.url), 'utf8')
const published = z.fromJSONSchema(JSON.parse(text))
const page = readFileSync(new URL('../../../docs/sources/http.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/^```json\n(.*?)^```/gms)].map(([, example]) => example ?? '')

function flawless(list: unknown): boolean {
  const bytes = Buffer.from(JSON.stringify(list))
  const result = parseEndpointList({ path: 'list', bytes }, spec())
  return result.ok && result.quarantined === 0
}

describe('the published JSON Schema of endpoint lists', () => {
  it('is what the program makes of its own; `npm run schema` writes it anew', () => {
    expect(text).toBe(publishedEndpointListSchema())
  })

  it('and the program take the examples of the documentation', () => {
    expect(examples.length).toBeGreaterThanOrEqual(2)
    for (const example of examples) {
      expect(published.safeParse(JSON.parse(example)).error?.issues, example).toBeUndefined()
      expect(flawless(JSON.parse(example)), example).toBe(true)
    }
  })

  const whole = { address: '10.1.0.1:80', weight: 0, priority: 9, state: 'maintenance', forwarding: 'nat', meta: { a: 'b' } }

  it.each<[boolean, unknown]>([
    [true, []],
    [true, { version: 1, backends: [whole, '10.1.0.2:80'] }],
    [true, [{ targets: ['10.1.0.1:80'], labels: { a: 'b' }, other: 1 }]],
    [false, 'list'],
    [false, {}],
    [false, { version: 2, backends: [] }],
    [false, { backends: [], other: 1 }],
    [false, [{ ...whole, weight: 65536 }]],
    [false, [{ ...whole, state: 'up' }]],
    [false, [{ ...whole, zone: 'a' }]],
    [false, [{ ...whole, meta: { a: 1 } }]],
    [false, [{ weight: 1 }]],
    [false, ['web-1:80']],
    [false, [{ targets: '10.1.0.1:80' }]],
    [false, [{ targets: ['10.1.0.1:80'], labels: { a: 1 } }]],
  ])('says of this what the program says: %s for %j', (good, list) => {
    expect(published.safeParse(list).success).toBe(good)
    expect(flawless(list)).toBe(good)
  })
})
