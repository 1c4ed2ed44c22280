import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { globalSchema } from '../../../src/config/global-schema.ts'
import { publishedJsonSchema } from '../../../src/config/json-schema.ts'
import { loadFrom } from '../../../src/config/load-from.ts'
import { defaultsSchema, publishedServiceSchema } from '../../../src/config/service-schema.ts'
import { flagOf, SETTING_DEFINITIONS, SETTING_NAMES, variableOf } from '../../../src/config/setting-definitions.ts'
import { realReach } from '../../../src/daemon/reach.ts'
import { parseBackendList } from '../../../src/document/backend-list.ts'
import { backendKeys } from '../../../src/document/backend-schema.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { complaints, loaded, warnings } from './support.ts'

const home = new URL('../../../config/', import.meta.url)
const text = (name: string) => readFileSync(new URL(name, home), 'utf8')
const published = z.fromJSONSchema(JSON.parse(text('pointsman.schema.json')))

/** `listen or fwmark`: such a part describes no mapping. */
function onlyAsksForAKey(node: object): boolean {
  const { properties } = node as { properties?: Readonly<Record<string, unknown>> }
  return properties !== undefined && Object.values(properties).every((value) => JSON.stringify(value) === '{}')
}

/** Everything that people may write behind a key, right or wrong. */
const WRITTEN: readonly unknown[] = [
  ...[0, 1, 5, 80, 500, -1, 0.5, 70_000, 5_000_000_000, true, false, null, '', ' ', '0', '5', 'true', 'web', 'off', 'none'],
  ...['0s', '5s', ' 5s', '1m30s', '1.5s', '500ms', '24h', '5', '34%', '100%', '0%', 'auto', 'hold', 'apply', '/x', 'x', ' /x'],
  ...['10.0.0.1:80', ' 10.0.0.1:80', '10.0.0.1:80 ', '10.0.0.1', '[2001:db8::1]:80', '[2001:DB8::1]:0', '2001:db8::1', ':9095'],
  ...[
    'localhost:9095',
    'tcp',
    'udp',
    'wrr',
    'sh',
    'nat',
    'direct',
    'tunnel',
    'info',
    'keep',
    'named',
    'all',
    'zero',
    'ipv6',
    [],
    {},
  ],
  ...[['flag-3'], ['10.1.0.1:80'], ['10.1.0.1:80 '], [{ address: '10.1.0.1:80' }], { file: '/x' }, { file: { path: 'x' } }],
  ...[[{ file: '/x' }], { min: '0', max: '5s' }, { min: 0 }, { timeout: '0' }, { timeout: 0 }, { timeout: '5s' }],
  ...[{ snapshot_max_age: '0' }, { max_removal: '34%', on_empty: '10m' }, { tunnel: { type: 'gre' } }, { enabled: true }],
  ...[
    ['/x'],
    { exec: ['/x'] },
    { webhook: 'https://a.example/x' },
    { from: 1, to: 5 },
    ['10.0.0.1'],
    ['kernel'],
    'https://a.example/x',
  ],
]

describe('the published JSON Schema', () => {
  it('is what the schemas make of themselves; `npm run schema` writes it anew', () => {
    expect(text('pointsman.schema.json')).toBe(publishedJsonSchema())
  })

  it('closes every mapping against unknown keys', () => {
    const open: string[] = []
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null || onlyAsksForAKey(node)) return
      const { properties, additionalProperties } = node as { properties?: unknown; additionalProperties?: unknown }
      if (properties !== undefined && !path.endsWith('.properties') && additionalProperties !== false) open.push(path)
      for (const [key, value] of Object.entries(node)) walk(value, `${path}.${key}`)
    }
    walk(JSON.parse(text('pointsman.schema.json')), '')
    expect(open).toEqual([])
  })

  it('describes every key', () => {
    const nameless: string[] = []
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null || onlyAsksForAKey(node)) return
      for (const [key, value] of Object.entries((node as { properties?: object }).properties ?? {})) {
        if (typeof (value as { description?: unknown }).description !== 'string') nameless.push(`${path}.${key}`)
      }
      for (const [key, value] of Object.entries(node)) walk(value, `${path}.${key}`)
    }
    walk(JSON.parse(text('pointsman.schema.json')), '')
    expect(nameless).toEqual([])
  })

  it.each(['pointsman.yaml', 'pointsman-full.yaml', 'pointsman-parameters.yaml', 'conf.d/mail.yaml'])('takes %s', (name) => {
    expect(published.safeParse(parse(text(name))).error?.issues ?? []).toEqual([])
  })

  it.each(['ezlb-like.yaml', 'ezlb-short.yaml'])('takes a file in the manner of ezlb: %s', (name) => {
    const file = readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')
    expect(published.safeParse(parse(file)).error?.issues.map((issue) => issue.path.join('.'))).toEqual(undefined)
  })

  it.each([
    '{}',
    'services: [{ listen: "10.0.0.1:80", backends: [] }]',
    'services: [{ name: a, backends: [] }]',
    'services: [{ name: a, listen: "10.0.0.1:80" }]',
    'services: [{ name: a, listen: " 10.0.0.1:80", backends: [] }]',
    'services: []\nglobal: { admin: false }',
    'services: [{ name: a, listen: "10.0.0.1:80", fwmark: 7, backends: [] }]',
    'services: []\ndefaults: { wieght: 5 }',
    'services: [{ name: a, listen: "10.0.0.1:80", backends: [{ address: "10.1.0.1:80", wieght: 5 }] }]',
    'services: [{ name: a, listen: "10.0.0.1:80", weight: 65536, backends: [] }]',
    'services: [{ name: a, listen: "web:80", backends: [] }]',
    'services: [{ name: a, listen: "10.0.0.1:80", scheduler: wrrr, backends: [] }]',
    'services: [{ name: a, listen: "10.0.0.1:80", backends: [{ weight: 5 }] }]',
    'services: [{ name: a, listen: "10.0.0.1:80", source: { http: { url: "https://a:b@x/" } } }]',
    'services: []\nglobal: { resync_interval: 30 }',
    'services: []\nglobal: { resync_interval: "$x" }',
    'include: conf.d/*.yaml',
    'services: []\nparameters: { files: x }',
  ])('refuses %j', (file) => {
    expect(published.safeParse(parse(file)).success).toBe(false)
  })
})

describe('what the program takes, the published JSON Schema takes too', () => {
  const service = { name: 'a', listen: '10.0.0.1:80', backends: [] }

  it.each<[string, readonly string[], (key: string, value: unknown) => object]>([
    ['global', Object.keys(globalSchema.shape), (key, value) => ({ global: { [key]: value }, services: [] })],
    ['defaults', Object.keys(defaultsSchema.shape), (key, value) => ({ defaults: { [key]: value }, services: [] })],
    [
      'a service',
      Object.keys(publishedServiceSchema.shape).filter((key) => !['fwmark', 'family', 'snat_ip'].includes(key)),
      (key, value) => ({ services: [{ ...service, [key]: value }] }),
    ],
    [
      'a backend',
      Object.keys(backendKeys),
      (key, value) => ({ services: [{ ...service, backends: [{ address: '10.1.0.1:80', [key]: value }] }] }),
    ],
    [
      'a fwmark service',
      ['fwmark', 'family'],
      (key, value) => ({ services: [{ name: 'a', fwmark: 7, backends: [], [key]: value }] }),
    ],
  ])(
    'behind every key of %s',
    (_, keys, make) => {
      const stricter: string[] = []
      for (const key of keys) {
        let taken = 0
        for (const value of WRITTEN) {
          const text = JSON.stringify(make(key, value))
          if (complaints(text).length > 0) continue
          taken++
          if (!published.safeParse(JSON.parse(text)).success) stricter.push(text)
        }
        if (taken === 0) stricter.push(`nothing that the program takes was written behind ${key}`)
      }
      expect(stricter).toEqual([])
    },
    60_000,
  )
})

describe('the user guide', () => {
  const guide = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')

  it('names every key', () => {
    const keys = [...Object.keys(globalSchema.shape), ...Object.keys(publishedServiceSchema.shape)]
    expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(guide))).toEqual([])
  })

  it('gives every setting its flag, its variable and its default', () => {
    for (const name of SETTING_NAMES) {
      const row = `| \`${name}\` | \`${flagOf(name)}\` | \`${variableOf(name)}\` | \`${SETTING_DEFINITIONS[name].initial}\` |`
      expect(guide).toContain(row)
    }
  })
})

describe('the examples', () => {
  it('load: pointsman.yaml, without a warning', () => {
    expect(loaded(text('pointsman.yaml')).services).toHaveLength(1)
    expect(warnings(text('pointsman.yaml'))).toEqual([])
  })

  it('load: pointsman-full.yaml, without a warning', () => {
    expect(loaded(text('pointsman-full.yaml')).services).toHaveLength(10)
    expect(warnings(text('pointsman-full.yaml'))).toEqual([])
  })

  it('name the schema for editors', () => {
    for (const name of ['pointsman.yaml', 'pointsman-full.yaml']) {
      expect(text(name).split('\n')[0]).toBe('# yaml-language-server: $schema=./pointsman.schema.json')
    }
  })

  it('show every key', () => {
    const full: { global: object; services: object[]; defaults: object } = parse(text('pointsman-full.yaml'))
    const shown = new Set([...full.services.flatMap((service) => Object.keys(service)), ...Object.keys(full.defaults)])
    expect(Object.keys(publishedServiceSchema.shape).filter((key) => !shown.has(key))).toEqual([])
    const aliases = ['admin_address', 'cleanup_on_exit', 'log']
    expect(Object.keys(globalSchema.shape).filter((key) => !(key in full.global))).toEqual(aliases)
  })

  it('load: pointsman-parameters.yaml, with what it names', async () => {
    const path = fileURLToPath(new URL('pointsman-parameters.yaml', home))
    const source = { path, bytes: Buffer.from(text('pointsman-parameters.yaml')) }
    const { result } = await loadFrom(source, { environment: { STAGE: 'live' } }, realReach())
    if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
    const [web, mail] = result.configuration.services
    expect(web).toMatchObject({ name: 'web-live', identity: { address: '127.0.0.1', port: 8443 }, weight: 5 })
    expect([...(web?.backends.keys() ?? [])]).toEqual(['10.20.0.10:8080', '10.20.0.11:8080'])
    expect(mail?.name).toBe('mail')
  })

  it('load: web-backends.yaml, for the service that names it', () => {
    const service = loaded(text('pointsman-full.yaml')).services.find(({ sources }) =>
      sources.some((source) => source.kind === 'file' && source.path.endsWith('web-backends.yaml')),
    )
    if (service === undefined) throw new Error('no service names web-backends.yaml')
    const result = parseBackendList({ path: 'web-backends.yaml', bytes: Buffer.from(text('web-backends.yaml')) }, service)
    expect(result.ok && result.backends.size).toBe(3)
  })
})
