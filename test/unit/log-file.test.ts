import { existsSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createLog, type Log } from '../../src/log.ts'
import { LogFile } from '../../src/log-file.ts'
import { LogStream } from '../../src/log-stream.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 5_000 })

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-log-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function logInto(path: string, { maxSize = 0, keep = 3 } = {}): Promise<Log> {
  return createLog('info', 'auto', { path, maxSize, keep })
}

const messages = (path: string): string[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { msg: string }).msg)
    : []

test('lines go into the file behind what is there, as JSON; others cannot read it', async () => {
  const path = join(await scratch(), 'log')
  for (const msg of ['one', 'two']) {
    const { logger } = await logInto(path)
    logger.info(msg)
    await until(() => messages(path)).toContain(msg)
  }
  expect(messages(path)).toEqual(['one', 'two'])
  expect(statSync(path).mode & 0o007).toBe(0)
})

test('a full file is put aside, as many as asked for stay, no line is lost or torn', async () => {
  const directory = await scratch()
  const path = join(directory, 'log')
  const { logger } = await logInto(path, { maxSize: 2_000, keep: 2 })
  for (let line = 0; line < 60; line++) {
    logger.info(`${line} ${'x'.repeat(80)}`)
    await until(() => messages(path).at(-1)?.split(' ')[0]).toBe(`${line}`)
  }
  expect(readdirSync(directory).toSorted()).toEqual(['log', 'log.1', 'log.2'])
  const kept = [...messages(`${path}.2`), ...messages(`${path}.1`), ...messages(path)].map((msg) => Number(msg.split(' ')[0]))
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 60 - kept.length + index))
  expect(kept.length).toBeGreaterThan(20)
  for (const name of ['log', 'log.1', 'log.2']) expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(2_000)
})

test('with none kept a full file is begun anew', async () => {
  const directory = await scratch()
  const path = join(directory, 'log')
  const { logger } = await logInto(path, { maxSize: 100, keep: 0 })
  for (const msg of ['a'.repeat(60), 'b'.repeat(60)]) {
    logger.info(msg)
    await until(() => messages(path)).toEqual([msg])
  }
  expect(readdirSync(directory)).toEqual(['log'])
})

test('a file that was moved away or removed is made again', async () => {
  const path = join(await scratch(), 'log')
  const { logger } = await logInto(path)
  logger.info('one')
  await until(() => messages(path)).toEqual(['one'])
  await rename(path, `${path}.old`)
  logger.info('two')
  await until(() => messages(path)).toEqual(['two'])
  await rm(path)
  logger.info('three')
  await until(() => messages(path)).toEqual(['three'])
  expect(messages(`${path}.old`)).toEqual(['one'])
})

test('where the former file cannot be put aside the file grows on', async () => {
  const directory = await scratch()
  const path = join(directory, 'log')
  await mkdir(`${path}.1`)
  await mkdir(`${path}.1/in-the-way`)
  const { logger } = await logInto(path, { maxSize: 100, keep: 1 })
  const said = ['a'.repeat(60), 'b'.repeat(60), 'c']
  for (const msg of said) {
    logger.info(msg)
    await until(() => messages(path)).toContain(msg)
  }
  expect(messages(path)).toEqual(said)
})

test('that it cannot be put aside is told once, tried again a minute later, and told anew when it was possible in between', async () => {
  const path = join(await scratch(), 'log')
  const inTheWay = `${path}.1/in-the-way`
  await mkdir(inTheWay, { recursive: true })
  const told: unknown[] = []
  const file = new LogFile({ path, maxSize: 10, keep: 1 }, (error) => told.push('code' in error && error.code))
  const now = vi.spyOn(performance, 'now')
  onTestFinished(() => now.mockRestore())
  const writeAt = async (seconds: number) => {
    now.mockReturnValue(seconds * 1000)
    writeSync(await file.next(10), `${seconds}`.padEnd(10))
    return statSync(path).size
  }
  expect([await writeAt(0), await writeAt(1), await writeAt(59)]).toEqual([10, 20, 30])
  expect(told).toEqual(['EISDIR'])
  expect([await writeAt(62), await writeAt(63)]).toEqual([40, 50])
  expect(told).toHaveLength(1)
  await rm(`${path}.1`, { recursive: true })
  // Tried at 1 and 62: next at 122.
  expect([await writeAt(100), await writeAt(123)]).toEqual([60, 10])
  await rm(`${path}.1`)
  await mkdir(inTheWay, { recursive: true })
  expect(await writeAt(124)).toBe(20)
  expect(told).toHaveLength(2)
})

test('lines wait for a directory that is not there, and the first failure is told once', async () => {
  const directory = join(await scratch(), 'later')
  const path = join(directory, 'log')
  const troubles: string[] = []
  const stream = new LogStream(new LogFile({ path, maxSize: 0, keep: 1 }), 1_000, (error) => troubles.push(error.message))
  stream.write('{"msg":"one"}\n')
  stream.write('{"msg":"two"}\n')
  await until(() => troubles.length).toBe(1)
  await mkdir(directory)
  await until(() => messages(path)).toEqual(['one', 'two'])
  expect(troubles).toHaveLength(1)
  expect(troubles[0]).toContain('ENOENT')
})

test('last words are in the file before the process goes on, also when it was not opened yet', async () => {
  const path = join(await scratch(), 'log')
  const early = await logInto(path)
  early.logger.info('early')
  early.flush()
  expect(messages(path)).toEqual(['early'])
  const late = await logInto(path)
  late.logger.info('one')
  await until(() => messages(path)).toEqual(['early', 'one'])
  late.logger.info('late')
  late.flush()
  await until(() => messages(path)).toEqual(['early', 'one', 'late'])
})

test('last words into a directory that is not there hold nobody', async () => {
  const log = await logInto(join(await scratch(), 'nowhere', 'log'))
  log.logger.info('lost')
  log.flush()
  expect(existsSync(join(tmpdir(), 'nowhere'))).toBe(false)
})
