// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { Subject } from 'rxjs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadFrom } from '../../../src/config/load-from.ts'
import { NOTHING_BESIDE } from '../../../src/config/read-trace.ts'
import { loadBeside } from '../../../src/daemon/load-beside.ts'
import { realReach } from '../../../src/daemon/reach.ts'
import { type Reload, reloads } from '../../../src/daemon/reload.ts'
import { temporaryDirectory } from './rig.ts'

const serviceOn = (port: number | string, name = `web${port}`) =>
  `services:\n  - { name: "${name}", listen: "10.0.0.1:${port}", backends: [] }\n`

/** Follows a configuration of several files, as a daemon does that was started with it. */
async function follow(
  files: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
  load: typeof loadBeside = loadBeside,
) {
  const directory = await temporaryDirectory()
  const write = async (name: string, text: string) => {
    const path = join(directory, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  for (const [name, text] of Object.entries(files)) await write(name, text)
  const path = join(directory, 'c.yaml')
  const bytes = Buffer.from(files['c.yaml'] ?? '')
  const overrides = { environment }
  const { result, read } = await loadFrom({ path, bytes }, overrides, realReach())
  if (!result.ok) throw new Error(JSON.stringify(result.issues))
  const ask$ = new Subject<void>()
  const seen: Reload[] = []
  const subscription = reloads({ path, overrides, bytes, read, settle: 10, poll: 60_000, load }, ask$).subscribe((reload) =>
    seen.push(reload),
  )
  onTestFinished(() => subscription.unsubscribe())
  /** Waits for the next word that is as wanted; it names the services of what was accepted. */
  const next = async (wanted: (said: string) => boolean): Promise<string> => {
    await expect.poll(() => seen.map(said).some(wanted), { interval: 5, timeout: 20_000 }).toBe(true)
    const found = seen.map(said).find(wanted) as string
    seen.length = 0
    return found
  }
  return { directory, write, ask$, seen, next }
}

function said(reload: Reload): string {
  if (reload.kind === 'accepted') return reload.configuration.services.map(({ name }) => name).join()
  return reload.kind === 'rejected' ? `rejected: ${reload.sentences.join(' | ')}` : reload.kind
}

describe('an included file', () => {
  const start = { 'c.yaml': 'include: [conf.d/*.yaml]\n', 'conf.d/a.yaml': serviceOn(81) }

  test('that changes, comes, goes and comes back reloads', async () => {
    const { directory, write, next } = await follow(start)
    await write('conf.d/a.yaml', serviceOn(82))
    await next((each) => each === 'web82')
    await write('conf.d/b.yaml', serviceOn(83))
    await next((each) => each === 'web82,web83')
    await rm(join(directory, 'conf.d/a.yaml'))
    await next((each) => each === 'web83')
    await write('conf.d/a.yaml', serviceOn(81))
    await next((each) => each === 'web81,web83')
  }, 30_000)

  test('that is wrong keeps what runs, with its place, until it is right again', async () => {
    const { directory, write, next } = await follow(start)
    await write('conf.d/b.yaml', serviceOn('x'))
    expect(await next((each) => each.startsWith('rejected'))).toContain(`rejected: ${directory}/conf.d/b.yaml:2:`)
    await rm(join(directory, 'conf.d/b.yaml'))
    await next((each) => each === 'web81')
  }, 30_000)

  test('says nothing while it says what it said, and whoever asks is answered', async () => {
    const { write, ask$, seen, next } = await follow(start)
    await write('conf.d/a.yaml', serviceOn(81))
    await write('conf.d/readme', 'no configuration')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(seen).toEqual([])
    ask$.next()
    await next((each) => each === 'unchanged')
  }, 30_000)

  test('may be named by the next version of the first file, and is followed from then on', async () => {
    const { write, next } = await follow({ 'c.yaml': serviceOn(80), 'other/a.yaml': serviceOn(81) })
    await write('c.yaml', `include: [other/a.yaml]\n${serviceOn(80)}`)
    await next((each) => each === 'web80,web81')
    await write('other/a.yaml', serviceOn(82))
    await next((each) => each === 'web80,web82')
    await write('c.yaml', serviceOn(80))
    await next((each) => each === 'web80')
  }, 30_000)

  test('whose directory goes keeps what runs, and is followed again when that comes back', async () => {
    const { directory, write, next } = await follow(start)
    await rm(join(directory, 'conf.d'), { recursive: true })
    expect(await next((each) => each.includes('no such directory'))).toContain(
      `${directory}/c.yaml:1:11: include[0]: ${directory}/conf.d: there is no such directory`,
    )
    await write('conf.d/a.yaml', serviceOn(86))
    await next((each) => each === 'web86')
  }, 30_000)

  test('may be swapped by a link on the way', async () => {
    const { directory, next } = await follow({ ...start, 'v2/a.yaml': serviceOn(85) })
    await symlink('v2', join(directory, 'link'))
    await rename(join(directory, 'conf.d'), join(directory, 'v1'))
    await rename(join(directory, 'link'), join(directory, 'conf.d'))
    await next((each) => each === 'web85')
  }, 30_000)
})

describe('a document of parameters', () => {
  test('that is a file reloads when it changes', async () => {
    const { write, next } = await follow({
      'c.yaml': `parameters: { files: [p.yaml] }\n${serviceOn('${port}', 'web')}`,
      'p.yaml': 'port: 81',
    })
    await write('p.yaml', 'port: 0x')
    expect(await next((each) => each.startsWith('rejected'))).toContain('what ${port} stands for does not fit here')
    await write('p.yaml', 'port: 82')
    await next((each) => each === 'web')
  }, 30_000)

  test('of a web server is asked for at each reload; one that does not answer keeps what runs', async () => {
    let answer: string | undefined = 'port: 81'
    const server = createServer((_, response) => {
      response.statusCode = answer === undefined ? 503 : 200
      response.end(answer ?? 'hunter2')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/p.yaml`
    const { ask$, next, write } = await follow({
      'c.yaml': `parameters: { urls: ["${url}"] }\n${serviceOn('${port}', 'web${port}')}`,
    })
    ask$.next()
    await next((each) => each === 'unchanged')
    answer = 'port: 82'
    ask$.next()
    await next((each) => each === 'web82')
    answer = undefined
    ask$.next()
    const sentence = await next((each) => each.startsWith('rejected'))
    expect(sentence).toContain(`c.yaml:1:22: parameters.urls[0]: ${url}: the web server answers with status 503`)
    expect(sentence).not.toContain('hunter2')
    answer = 'port: 83'
    await write('c.yaml', `# again\nparameters: { urls: ["${url}"] }\n${serviceOn('${port}', 'web${port}')}`)
    await next((each) => each === 'web83')
  }, 30_000)
})

describe('a loading that fails', () => {
  const start = { 'c.yaml': 'include: [conf.d/*.yaml]\n', 'conf.d/a.yaml': serviceOn(81) }
  const outOfMemory = { ok: false, issues: [{ file: 'c.yaml', path: '', problem: 'no memory', remedy: 'wait' }] } as const

  /** A machine without memory, until `recover`. */
  function failing() {
    let fails = true
    const load: typeof loadBeside = async (...args) =>
      fails ? { result: outOfMemory, readByThen: NOTHING_BESIDE } : await loadBeside(...args)
    return { load, recover: () => (fails = false) }
  }

  test('is tried again when an included file changes, and when somebody asks', async () => {
    const { load, recover } = failing()
    const { write, ask$, next } = await follow(start, {}, load)
    await write('conf.d/a.yaml', serviceOn(82))
    await next((each) => each.includes('no memory'))
    recover()
    ask$.next()
    await next((each) => each === 'web82')
    const second = failing()
    const other = await follow(start, {}, second.load)
    await other.write('conf.d/a.yaml', serviceOn(82))
    await other.next((each) => each.includes('no memory'))
    second.recover()
    await other.write('conf.d/a.yaml', serviceOn(83))
    await other.next((each) => each === 'web83')
  }, 30_000)

  test('is over when the files are again what they were', async () => {
    const { load, recover } = failing()
    const { directory, write, next } = await follow(start, {}, load)
    await write('conf.d/b.yaml', serviceOn(82))
    await next((each) => each.includes('no memory'))
    recover()
    await rm(join(directory, 'conf.d/b.yaml'))
    await next((each) => each === 'web81')
    const second = failing()
    const other = await follow(start, {}, second.load)
    await other.write('conf.d/a.yaml', serviceOn(82))
    await other.next((each) => each.includes('no memory'))
    second.recover()
    await other.write('conf.d/a.yaml', serviceOn(81))
    await other.next((each) => each === 'web81')
  }, 30_000)

  test('because of a new file that is too much is over when that shrinks', async () => {
    const small: typeof loadBeside = (source, overrides) => loadBeside(source, overrides, 24)
    const { write, next, seen } = await follow(start, {}, small)
    const names = Array.from({ length: 40_000 }, (_, index) => `  - [a${index}, {b: [c]}]\n`).join('')
    await write('conf.d/b.yaml', `services:\n${names}`)
    expect(await next((each) => each.startsWith('rejected'))).toContain('the configuration cannot be loaded')
    await write('conf.d/b.yaml', serviceOn(82))
    await next((each) => each === 'web81,web82')
    expect(seen).toEqual([])
  }, 60_000)

  test('because a file is too large to be read is over when that shrinks', async () => {
    const { write, next } = await follow(start)
    await write('conf.d/a.yaml', `services: []\n#${'x'.repeat(4 * 1024 * 1024)}`)
    await next((each) => each.includes('more than the 4194304'))
    await write('conf.d/a.yaml', serviceOn(82))
    await next((each) => each === 'web82')
  }, 30_000)
})

test('a directory behind a pattern that is away for a moment keeps what runs', async () => {
  const files = { 'c.yaml': 'include: [conf.d/*/s.yaml]\n', 'conf.d/a/s.yaml': serviceOn(81), 'conf.d/b/s.yaml': serviceOn(82) }
  const { directory, ask$, next } = await follow(files)
  await rename(join(directory, 'conf.d/b'), join(directory, 'away'))
  await symlink('b', join(directory, 'conf.d/b'))
  ask$.next()
  expect(await next((each) => each.startsWith('rejected'))).toContain(
    `c.yaml:1:11: include[0]: ${directory}/conf.d/b: the directory cannot be read (ELOOP)`,
  )
  await rm(join(directory, 'conf.d/b'))
  await rename(join(directory, 'away'), join(directory, 'conf.d/b'))
  await next((each) => each === 'web81,web82')
}, 30_000)
