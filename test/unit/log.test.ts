import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { PointsmanError } from '../../src/errors.ts'
import { createLog, type Log } from '../../src/log.ts'

async function written(format: 'json' | 'pretty' | 'auto', use: (log: Log) => void): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-log-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'out')
  const fd = openSync(path, 'w')
  const log = await createLog('info', format, fd)
  use(log)
  log.flush()
  const text = await readFile(path, 'utf8')
  closeSync(fd)
  return text
}

test('JSON: one object a line with time, level by name, message and fields; below the level nothing; all there after a flush', async () => {
  const text = await written('auto', ({ logger }) => {
    logger.debug('not this')
    logger.info({ service: 'web' }, 'hello')
    logger.error({ err: new PointsmanError('IPVS_MISSING', 'No IPVS.') }, 'bad')
  })
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines).toHaveLength(2)
  expect(lines[0]).toEqual({ level: 'info', time: expect.any(String), pid: process.pid, service: 'web', msg: 'hello' })
  expect(new Date(lines[0].time).toISOString()).toBe(lines[0].time)
  expect(lines[1]).toMatchObject({ level: 'error', err: { code: 'IPVS_MISSING', message: 'No IPVS.' } })
})

test('pretty: one line for people, in the same thread, without colours where nobody looks', async () => {
  const text = await written('pretty', ({ logger }) => logger.warn({ service: 'web' }, 'hello'))
  expect(text).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: hello \{"service":"web"\}\n$/)
})

const LONG = 'x'.repeat(5_000)

/** A pipe that makes nobody wait, as Node makes standard output one. */
async function pipe(): Promise<{ path: string; reader: number; writer: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-log-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openForReading(path)
  return { path, reader, writer: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) }
}

function openForReading(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
}

/** The lines that have come out of a pipe by now. */
function collect(reader: number): () => Record<string, unknown>[] {
  let text = ''
  const buffer = Buffer.alloc(1 << 20)
  return () => {
    try {
      for (let size = 1; size > 0; text += buffer.toString('utf8', 0, size)) size = readSync(reader, buffer)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
}

test('a pipe that nobody reads for a while delays lines and loses none, also the last ones', async () => {
  const { reader, writer } = await pipe()
  const log = await createLog('info', 'json', writer)
  for (let line = 0; line < 100; line++) log.logger.info({ line }, LONG)
  await new Promise((resolve) => setTimeout(resolve, 100))
  const lines = collect(reader)
  await expect.poll(() => lines().length).toBe(100)
  log.logger.info('last words')
  log.flush()
  await expect.poll(() => lines().length).toBe(101)
  expect(lines().slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, line) => expect.objectContaining({ line, msg: LONG })))
})

test.each(['json', 'pretty'] as const)('a full disk stops nobody, not at the end either: %s', async (format) => {
  const fd = openSync('/dev/full', 'w')
  onTestFinished(() => closeSync(fd))
  const log = await createLog('info', format, fd)
  for (let line = 0; line < 2_000; line++) log.logger.info(LONG)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const began = performance.now()
  log.flush()
  log.flush()
  expect(performance.now() - began).toBeLessThan(1_000)
})

test('a pipe that nobody ever reads holds the end for half a second and no longer', async () => {
  const { writer } = await pipe()
  const log = await createLog('info', 'json', writer)
  for (let line = 0; line < 2_000; line++) log.logger.info(LONG)
  await new Promise((resolve) => setTimeout(resolve, 100))
  const began = performance.now()
  log.flush()
  log.flush()
  // A write that another thread had begun ends first, and then the last words are tried.
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(performance.now() - began).toBeGreaterThan(400)
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('what could not be written is written when it can be', async () => {
  const { path, reader, writer } = await pipe()
  closeSync(reader)
  const log = await createLog('info', 'json', writer)
  log.logger.info('into the void')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const lines = collect(openForReading(path))
  log.logger.info('later')
  await expect.poll(lines, { timeout: 3_000 }).toMatchObject([{ msg: 'into the void' }, { msg: 'later' }])
})
