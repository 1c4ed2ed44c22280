import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Subject } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { NOTHING_BESIDE } from '../../../src/config/read-trace.ts'
import { loadBeside } from '../../../src/daemon/load-beside.ts'
import { type Reload, reloads, restartNeeded } from '../../../src/daemon/reload.ts'
import { temporaryDirectory } from './rig.ts'

const yamlWith = (...backends: string[]) =>
  `services:\n  - { name: web, listen: 10.0.0.1:80, backends: [${backends.join(', ')}] }\n`
const many = (count: number) => Array.from({ length: count }, (_, i) => `10.1.${i >> 8}.${i & 255}:80`)

async function follow(text: string) {
  const path = join(await temporaryDirectory(), 'c.yaml')
  await writeFile(path, text)
  const ask$ = new Subject<void>()
  const seen: Reload[] = []
  const options = { path, overrides: { environment: process.env }, bytes: Buffer.from(text), settle: 10, poll: 60_000 }
  const subscription = reloads(options, ask$).subscribe((reload) => seen.push(reload))
  onTestFinished(() => subscription.unsubscribe())
  const nth = async (count: number): Promise<Reload> => {
    await expect.poll(() => seen.length, { interval: 5, timeout: 20_000 }).toBeGreaterThanOrEqual(count)
    return seen[count - 1] as Reload
  }
  return { path, ask$, seen, nth }
}

describe('the configuration file', () => {
  test('what was read at the start is not read again; asking gets an answer', async () => {
    const { ask$, nth, seen } = await follow(yamlWith())
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(seen).toEqual([])
    ask$.next()
    expect(await nth(1)).toEqual({ kind: 'unchanged' })
  })

  test('a bad file is rejected once, again when asked, and the old text heals it', async () => {
    const { path, ask$, nth } = await follow(yamlWith())
    await writeFile(path, 'services: 7\n')
    expect(await nth(1)).toMatchObject({ kind: 'rejected', sentences: [expect.stringContaining(`${path}:1:`)] })
    ask$.next()
    expect(await nth(2)).toMatchObject({ kind: 'rejected' })
    await writeFile(path, yamlWith())
    expect(await nth(3)).toMatchObject({ kind: 'accepted', configuration: { services: [{ name: 'web' }] } })
  })

  test('a file that is gone is rejected with a sentence, one that is back is accepted', async () => {
    const { path, nth } = await follow(yamlWith())
    await rm(path)
    expect(await nth(1)).toMatchObject({ kind: 'rejected', sentences: [expect.stringContaining('the file is gone')] })
    await writeFile(path, yamlWith('10.0.1.1:80'))
    expect(await nth(2)).toMatchObject({ kind: 'accepted' })
  })

  test('a large one is loaded beside; asking meanwhile does not lose it', async () => {
    const { path, ask$, nth } = await follow(yamlWith())
    await writeFile(path, yamlWith(...many(2_000)))
    await new Promise((resolve) => setTimeout(resolve, 60))
    ask$.next()
    const reload = await nth(1)
    expect(reload.kind === 'accepted' && reload.configuration.services[0]?.backends.size).toBe(2_000)
  }, 30_000)
})

test('loading beside gives what loading on the spot gives, good or bad', async () => {
  const good = { path: 'c.yaml', bytes: Buffer.from(yamlWith(...many(2_000))) }
  const overrides = { flags: { log_level: 'debug' }, environment: { POINTSMAN_ON_EXIT: 'drain' } }
  expect(good.bytes.length).toBeGreaterThan(16 * 1024)
  expect(await loadBeside(good, overrides)).toEqual({ result: loadConfiguration(good, overrides), read: NOTHING_BESIDE })
  const bad = { path: 'c.yaml', bytes: Buffer.from(yamlWith(...many(2_000), '10.0.0.1:http')) }
  expect(await loadBeside(bad, {})).toEqual({ result: loadConfiguration(bad, {}), read: NOTHING_BESIDE })
}, 30_000)

test('of thousands of problems the first hundred are handed over, with their true number', async () => {
  const { path, nth } = await follow(yamlWith())
  await writeFile(path, yamlWith(...many(3_000).map((address) => `{ address: ${address}, weight: 70000 }`)))
  const reload = await nth(1)
  if (reload.kind !== 'rejected') throw new Error(reload.kind)
  expect(reload.problems).toBe(3_000)
  expect(reload.sentences).toHaveLength(100)
  expect(reload.sentences[0]).toMatch(/services\[0\]\.backends\[0\]\.weight: 70000 is above 65535/)
  const beside = await loadBeside({ path, bytes: await readFile(path) }, {})
  expect(beside.result).toMatchObject({ ok: false, omitted: 2_900 })
  expect(beside.result.ok ? 0 : beside.result.issues.length).toBe(100)
}, 30_000)

test('settings that wait for a restart are named as the file names them', () => {
  const settings = (yaml: string) => {
    const loaded = loadConfiguration({ path: 'c.yaml', bytes: Buffer.from(`global: { ${yaml} }\nservices: []\n`) })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    return loaded.configuration.settings
  }
  expect(restartNeeded(settings('log_level: info'), settings('log_level: debug, on_exit: drain'))).toEqual([])
  expect(restartNeeded(settings(''), settings('admin: 127.0.0.1:1, state_dir: /x, resync_interval: 5s'))).toEqual([
    'admin',
    'resync_interval',
    'state_dir',
  ])
  expect(restartNeeded(settings(''), settings('max_probes: 7, per_backend_metrics: false'))).toEqual([
    'per_backend_metrics',
    'max_probes',
  ])
})
