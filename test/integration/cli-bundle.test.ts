import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProbeWorker } from '../../src/health/threads/start-thread.ts'
import { END, type Word } from '../../src/health/threads/words.ts'
import { listening } from './health/bad-servers.ts'

let directory = ''
let bundle = ''

/** The bundle, koffi beside it, and nothing else: as it would be deployed. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-bundle-'))
  bundle = join(directory, 'pointsman.mjs')
  await run('tools/bundle.mjs', bundle)
  for (const name of ['koffi', '@koromix']) {
    const target = join(directory, 'node_modules', name)
    await mkdir(dirname(target), { recursive: true })
    await cp(join('node_modules', name), target, { recursive: true })
  }
})

afterAll(() => rm(directory, { recursive: true, force: true }))

function run(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, out, err) => resolve({ code: error?.code ?? 0, out, err }))
  })
}

test('one file runs the commands, and knows what it is', async () => {
  const { code, out } = await run(bundle, 'version', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ version: expect.stringMatching(/^\d/) })
})

test('one file validates', async () => {
  const path = join(directory, 'web.yaml')
  await writeFile(path, 'services:\n  - { name: web, listen: 10.0.0.1:80, backends: [10.0.1.1:80] }\n')
  expect(await run(bundle, 'validate', '-c', path)).toMatchObject({ code: 0, err: '' })
})

test('one file is daemon and kernel worker: the answer of the kernel comes back', async () => {
  const path = join(directory, 'none.yaml')
  await writeFile(path, 'services: []\n')
  const { code, out, err } = await run(bundle, 'plan', '-c', path, '--json', '--state-dir', join(directory, 'state'))
  // With IPVS and the right to use it there is a plan; else the kernel's own reason, which only the worker can have asked for.
  if (code === 0) expect(JSON.parse(out)).toMatchObject({ changes: [] })
  else expect({ code, known: /no IPVS|CAP_NET_ADMIN/.test(err) }).toEqual({ code: expect.toBeOneOf([20, 22]), known: true })
})

test('one file is a thread that asks backends as well', async () => {
  const target = await listening(createServer((socket) => socket.resume()))
  const said: Word[] = []
  const ended = Promise.withResolvers<string>()
  const listener = { ready: () => said.push('ready'), answered: (word: Word) => said.push(word), ended: ended.resolve }
  const thread = startProbeWorker(listener, pathToFileURL(bundle))
  thread.post({ kinds: [[1, { kind: 'tcp' }]], forgotten: [], asked: [[0, 1, 5_000, target]], ended: [] })
  await expect
    .poll(() => said, { timeout: 20_000 })
    .toEqual(['ready', { passed: [0, expect.any(Number), expect.any(Number)], others: [] }])
  thread.post(END)
  expect(await ended.promise).toBe('itself')
})
