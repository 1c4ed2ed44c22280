import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse, parseDocument } from 'yaml'
import { z } from 'zod'
import { parseBackendList } from '../../../src/document/backend-list.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { spec } from '../pipeline/makers.ts'
import { complaintsOn, type FakeMachine } from './fake-reach.ts'

const home = new URL('../../../', import.meta.url)
const text = (path: string) => readFileSync(new URL(path, home), 'utf8')
const published = z.fromJSONSchema(JSON.parse(text('config/pointsman.schema.json')))

/** What the examples with parameters and other files speak of. */
const MACHINE: FakeMachine = {
  files: {
    'parameters.yaml': text('config/parameters.yaml'),
    'conf.d/mail.yaml': text('config/conf.d/mail.yaml'),
    '/etc/pointsman/shared/mail.yaml': 'services: []',
  },
  urls: { 'https://inventory.example/test.json': '{}' },
  interfaces: { eth0: [{ family: 'ipv4', address: '192.0.2.1' }] },
  environment: { STAGE: 'test' },
}

/** An example of the documentation, and where it stands. */
interface Example {
  readonly place: string
  readonly yaml: string
}

const pages = [
  'README.md',
  ...readdirSync(new URL('docs', home), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .toSorted(),
]

const examples = pages.flatMap((page): Example[] =>
  [...text(page).matchAll(/^```ya?ml\n(.*?)^```/gms)].map((match) => ({
    place: `${page}:${match.input.slice(0, match.index).split('\n').length}`,
    yaml: match[1] ?? '',
  })),
)

/** The whole file that an example is a part of: a list of top keys, or of the keys of one service. */
function wholeFile(yaml: string): string {
  const keys = Object.keys((parse(yaml) as object | null) ?? {})
  if (keys.includes('services')) return yaml
  if (keys.some((key) => ['include', 'parameters', 'global', 'defaults', 'catalog'].includes(key))) return `services: []\n${yaml}`
  const indent = /^ */.exec(yaml)?.[0] ?? ''
  const one = ['services:', '  - name: web', keys.includes('listen') || keys.includes('fwmark') ? '' : '    listen: 10.0.0.1:80']
  if (!keys.some((key) => ['backends', 'source', 'sources'].includes(key))) one.push('    backends: []')
  return `${one.join('\n')}\n${yaml.replaceAll(new RegExp(`^${indent}(?=.)`, 'gm'), '    ')}`
}

describe('the examples of the documentation', () => {
  it('are found', () => {
    expect(examples.length).toBeGreaterThanOrEqual(15)
    // A fence that the pattern above does not see would hide an example.
    const fences = pages.flatMap((page) => text(page).match(/```ya?ml/g) ?? [])
    expect(examples).toHaveLength(fences.length)
  })

  it.each(examples)('$place is taken by the program and by the published JSON Schema', async ({ yaml }) => {
    if (Array.isArray(parse(yaml))) {
      const list = parseBackendList({ path: 'list.yaml', bytes: Buffer.from(yaml) }, spec())
      expect(list.ok ? [] : list.issues.map(formatIssue)).toEqual([])
      return
    }
    const file = wholeFile(yaml)
    expect(parseDocument(file).errors).toEqual([])
    expect(await complaintsOn(MACHINE, file)).toEqual([])
    expect(published.safeParse(parse(file)).error?.issues ?? []).toEqual([])
  })
})
