/** Output that cannot be written: a full disk, stood in for by /dev/full. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { writeWhole } from '../../src/cli/terminal.ts'
import { scratchDirectory } from './scratch.ts'

/** `line` is a shell command in which `pointsman` is the program. */
function shell(line: string): ChildProcess {
  const program = `pointsman() { exec ${process.execPath} src/main.ts "$@"; }`
  const child = spawn('sh', ['-c', `${program}; ${line}`], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function configuration(): Promise<string> {
  const directory = await scratchDirectory()
  const path = join(directory, 'pointsman.yaml')
  await writeFile(path, `global: { state_dir: ${directory}/state, admin: "off" }\nservices: []\n`)
  return path
}

test.each(['json', 'pretty'])(
  'start ends, by itself or by SIGTERM, with its log on a full disk: %s',
  async (format) => {
    const child = shell(`pointsman start --log-format ${format} -c ${await configuration()} >/dev/full`)
    const ended = once(child, 'close')
    // Where the kernel has IPVS it would run for ever.
    const asked = setTimeout(() => child.kill('SIGTERM'), 10_000)
    const [code] = await ended
    clearTimeout(asked)
    expect(code).toBeTypeOf('number')
  },
  30_000,
)

const LOST = /^pointsman: The result cannot be written to standard output \(ENOSPC\): [^\n]*\.\n$/

test.each([
  ['version', 47],
  ['version --json', 47],
  ['--help', 47],
  ['start --help', 47],
  ['validate -c CONFIG', 47],
  ['validate --json -c CONFIG', 47],
  ['doctor --json -c CONFIG', 47],
  ['strat', 2],
  ['validate --json -c BAD', 32],
])('%s with its output on a full disk ends with %i and at most one sentence', async (command, wanted) => {
  const path = await configuration()
  const bad = `${path}.bad`
  await writeFile(bad, 'services: [{ name: 1 }]\n')
  const child = shell(`pointsman ${command.replace('CONFIG', path).replace('BAD', bad)} >/dev/full`)
  const [[code], said] = await Promise.all([once(child, 'close'), text(child.stderr as Readable)])
  expect(code).toBe(wanted)
  if (wanted !== 2) expect(said).toMatch(LOST)
})

test('a command whose sentences cannot be written either keeps its exit code', async () => {
  const [code] = await once(shell(`pointsman validate -c ${await configuration()}.not-there >/dev/full 2>/dev/full`), 'close')
  expect(code).toBe(30)
})

test('a disk that fills up in the middle takes part of a text, and then no more', () => {
  const taken: string[] = []
  const write = (_: number, bytes: Uint8Array): number => {
    if (taken.length === 2) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    taken.push(Buffer.from(bytes.subarray(0, 2)).toString())
    return 2
  }
  writeWhole(1, 'abcd', write)
  expect(taken).toEqual(['ab', 'cd'])
  expect(() => writeWhole(1, 'x', write)).toThrow('full')
})
