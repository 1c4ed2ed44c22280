import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { CLAIMABLE, readClaim } from '../../../src/config/claimed-service.ts'
import { allows } from '../../../src/pipeline/claims/allowed.ts'
import { announcementOf } from '../../../src/sources/consul/announcement.ts'
import { readHealthEntries } from '../../../src/sources/consul/health-entry.ts'
import { loaded, warnings } from './support.ts'

const page = readFileSync(new URL('../../../docs/sources/catalog.md', import.meta.url), 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, text = '']) => text)

it('every configuration of the page loads without a warning', () => {
  expect(blocks('yaml')).toHaveLength(2)
  for (const text of blocks('yaml')) expect(warnings(text)).toEqual([])
})

it('the registration of the page becomes a service under the first of them', () => {
  const [catalog] = loaded(blocks('yaml')[0] ?? '').catalogs
  const { Name: service, ...rest } = JSON.parse(blocks('json')[0] ?? '')
  const entries = readHealthEntries([{ Node: { Node: 'n' }, Service: { ID: service, ...rest } }]) ?? []
  const said = announcementOf(entries, catalog?.prefix ?? '', undefined)
  if (catalog === undefined || said?.kind !== 'marked') throw new Error('the page says nothing')
  const who = { catalog: catalog.name, service }
  const reading = readClaim(catalog, who, said.words)
  expect(reading).toMatchObject({ ok: true, spec: { name: 'web-shop', scheduler: 'wrr', drainTimeout: 60_000 } })
  expect(reading.ok && allows(catalog, who, reading.spec.identity)).toBe(true)
})

it('the page names every key that may be said', () => {
  const parts = CLAIMABLE.filter((key) => !key.startsWith('health_check.') && !/^(persistence|forwarding)\./.test(key))
  expect(parts.filter((key) => !page.includes(`\`${key}\``))).toEqual([])
})
