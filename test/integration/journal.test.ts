import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { PeerProcess } from '../peers/peer-process.ts'
import { pause, scratchDirectory } from './scratch.ts'

interface Told {
  readonly kind?: string
  readonly backend?: string
  readonly from?: string | number | null
  readonly to?: string | number | null
  readonly at?: string
}

function objects(text: string): Told[] {
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Told] : []))
}

/** What became of a backend: `1`, `absent`. */
function weightsOf(told: readonly Told[], backend: string): string[] {
  return told.filter((one) => one.backend === backend).map(({ to }) => `${to ?? 'absent'}`.replace('weight ', ''))
}

function pointsman(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['src/main.ts', ...args], (error, out, err) => resolve({ code: error?.code ?? 0, out, err }))
  })
}

/** `by`: a command that runs the daemon as its arguments. */
async function daemon(directory: string, by: readonly string[] = []): Promise<PeerProcess> {
  const program = [process.execPath, 'test/support/journal/child.ts']
  const child = new PeerProcess([...by, ...program, join(directory, 'pointsman.yaml'), join(directory, 'journal')])
  onTestFinished(() => child.stop())
  await expect.poll(() => child.output, { timeout: 30_000 }).toContain('ready: 1 service, 0 without data')
  return child
}

test('a daemon that is killed has written down what it did, and replay tells it again', async () => {
  const directory = await scratchDirectory()
  const list = join(directory, 'web.yaml')
  await writeFile(list, '[10.0.1.1:80, 10.0.1.2:80, 10.0.1.3:80]')
  await writeFile(
    join(directory, 'pointsman.yaml'),
    `global: { state_dir: ${directory}/state, admin: "off", watch_settle: 10ms }
services:
  - name: web
    listen: 10.0.0.1:80
    scheduler: wrr
    source: { file: { path: ${list} } }
    debounce: { min: 0s, max: 0s }
    drain: { timeout: 0s }
    health_check: { type: tcp, interval: 200ms, timeout: 100ms, fail_count: 1, rise_count: 1 }
`,
  )
  const child = await daemon(directory)
  await expect.poll(() => child.output, { timeout: 10_000 }).toMatch(/10\.0\.1\.3:80: weight 1 -> weight 0/)
  await writeFile(list, '[{ address: 10.0.1.1:80, weight: 5 }, 10.0.1.3:80, 10.0.1.4:80]')
  await expect.poll(() => child.output, { timeout: 10_000 }).toMatch(/10\.0\.1\.4:80: weight 0 -> weight 1/)
  await pause(1_000)
  child.signal('SIGKILL')
  expect(await child.exited).toBe('SIGKILL')

  const { code, out, err } = await pointsman('replay', '--json', join(directory, 'journal'))
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const written = objects(child.output).filter(
    ({ kind, backend, to }) => kind === undefined && backend !== undefined && to !== undefined,
  )
  const decided = objects(out).filter(({ kind }) => kind === 'weight')
  for (const backend of ['10.0.1.1:80', '10.0.1.2:80', '10.0.1.3:80', '10.0.1.4:80']) {
    const one = weightsOf(decided, backend)
    const inKernel = weightsOf(written, backend)
    // What is decided in the midst of a pass is written together with what comes after it.
    expect(inKernel.filter((weight) => one.includes(weight))).toEqual(inKernel)
    expect(one.at(-1)).toBe(inKernel.at(-1))
  }
  expect(weightsOf(decided, '10.0.1.1:80')).toEqual(['1', '5'])
  expect(weightsOf(decided, '10.0.1.2:80')).toEqual(['1', 'absent'])
  expect(weightsOf(decided, '10.0.1.4:80')).toEqual(['0', '1'])
  expect(await pointsman('replay', '--json', join(directory, 'journal'))).toEqual({ code, out, err })

  await daemon(directory)
  const both = objects((await pointsman('replay', '--json', join(directory, 'journal'))).out)
  expect(both.filter(({ kind }) => kind === 'began')).toHaveLength(2)
  expect(both.slice(0, decided.length)).toEqual(objects(out).slice(0, decided.length))
}, 90_000)

test('a daemon whose journal has no space left says so once, steers on, and what is there can be replayed', async () => {
  const directory = await scratchDirectory()
  const list = join(directory, 'web.yaml')
  await writeFile(list, '[10.0.1.1:80]')
  await writeFile(
    join(directory, 'pointsman.yaml'),
    `global: { state_dir: ${directory}/state, admin: "off", watch_settle: 10ms }
services:
  - { name: web, listen: 10.0.0.1:80, source: { file: { path: ${list} } }, debounce: { min: 0s, max: 0s } }
`,
  )
  // No file of the process may be longer than 8 KiB; a write beyond is refused like one to a full disk.
  const child = await daemon(directory, ['sh', '-c', 'trap "" XFSZ; ulimit -f 16; exec "$@"', 'sh'])
  for (let weight = 2; weight < 40; weight++) {
    await writeFile(list, `[{ address: 10.0.1.1:80, weight: ${weight} }]`)
    await expect.poll(() => child.output, { timeout: 10_000, interval: 10 }).toMatch(new RegExp(`-> weight ${weight}\\b`))
    await pause(110)
  }
  const said = objects(child.output).filter((line) => (line as { code?: string }).code === 'JOURNAL_UNWRITABLE')
  expect(said).toEqual([
    expect.objectContaining({ level: 'error', msg: expect.stringContaining('journal cannot be written (EFBIG)') }),
  ])
  const { code, out, err } = await pointsman('replay', '--json', join(directory, 'journal'))
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(weightsOf(objects(out), '10.0.1.1:80').slice(0, 5)).toEqual(['1', '2', '3', '4', '5'])
  expect(objects(out).at(-1)).toMatchObject({ kind: 'end' })
}, 90_000)
