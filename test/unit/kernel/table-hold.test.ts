import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { holdTable, whoHoldsTable } from '../../../src/kernel/for-daemon.ts'

const SCRIPT = fileURLToPath(new URL('./support/hold-table.ts', import.meta.url))

// Names are the machine's: a daemon or another run of these tests is not to be in the way.
const NAME = `pointsman/test-${process.pid}`

let child: ChildProcess | undefined
afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  child = undefined
})

async function otherProcess(...args: string[]): Promise<ChildProcess> {
  child = spawn(process.execPath, [SCRIPT, NAME, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

describe('holding the table', () => {
  test('is one process at a time, and the others learn who', async () => {
    const other = await otherProcess()
    await expect(holdTable({ command: 'once' }, NAME)).rejects.toMatchObject({
      code: 'TABLE_HELD',
      message: expect.stringMatching(new RegExp(`process ${other.pid} \\(pointsman start\\) since \\d{4}-.*: stop it first`)),
      detail: { pid: other.pid, command: 'start', version: '9.9' },
    })
    expect(await whoHoldsTable(NAME)).toMatchObject({ pid: other.pid, command: 'start', version: '9.9' })
  })

  test('ends with the process, however it ends', async () => {
    const other = await otherProcess()
    other.kill('SIGKILL')
    await once(other, 'exit')
    await using hold = await holdTable({ command: 'apply' }, NAME)
    expect(hold.holder).toMatchObject({ pid: process.pid, command: 'apply' })
    expect(await whoHoldsTable(NAME)).toEqual(hold.holder)
  })

  test('ends when it is disposed of, twice as well', async () => {
    const hold = await holdTable({ command: 'once' }, NAME)
    await hold[Symbol.asyncDispose]()
    await hold[Symbol.asyncDispose]()
    expect(await whoHoldsTable(NAME)).toBeUndefined()
    const again = await holdTable({ command: 'once' }, NAME)
    again[Symbol.dispose]()
    expect(await whoHoldsTable(NAME)).toBeUndefined()
  })

  test('of two that begin at once one wins', async () => {
    const results = await Promise.allSettled([holdTable({ command: 'start' }, NAME), holdTable({ command: 'apply' }, NAME)])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    for (const result of results) if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]()
  })

  // Any user may take the name.
  test.each([
    'silent',
    'garbage',
    'dribbling',
    'endless',
    'out to deceive a terminal',
    'out to deceive by a time',
    'out to deceive by a number',
  ])('by one who is %s is refused too, and says how to find out', { timeout: 60_000 }, async (kind) => {
    await otherProcess(kind)
    expect(await whoHoldsTable(NAME)).toBe('silent')
    await expect(holdTable({ command: 'start' }, NAME)).rejects.toMatchObject({
      code: 'TABLE_HELD',
      message: expect.stringContaining('ss -xlp'),
    })
  })
})
