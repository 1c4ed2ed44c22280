import { appendFile, mkdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { PointsmanError } from '../../../src/errors.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { type Journal, openJournal } from '../../../src/store/journal.ts'
import { type JournalRecord, readJournal } from '../../../src/store/journal-input.ts'
import type { JournalTurn } from '../../../src/store/journal-turn.ts'
import { temporaryDirectory } from '../daemon/rig.ts'
import { backends, file, fresh, identity, key, spec, tcpCheck } from '../pipeline/makers.ts'

const WEB = serviceKey(identity(1))
const OPEN = [{ slot: 0, service: WEB, source: 'file /lists/web.yaml' }]

const wanted = (now: number, more: Partial<ServiceSpec> = {}): JournalTurn => ({
  event: { kind: 'wanted', wanted: { services: [spec({ sources: [file()], ...more })] } },
  now,
  open: OPEN,
})
const said = (now: number, ...numbers: number[]): JournalTurn => ({
  event: { kind: 'said', service: WEB, slot: 0, event: fresh(numbers, { at: now }) },
  now,
})
const found = (now: number, ...numbers: number[]): JournalTurn => ({
  event: {
    kind: 'operational',
    service: WEB,
    found: new Map(numbers.map((number) => [key(number), { health: 'up', since: now, turns: 1 }])),
  },
  now,
})

interface Opened {
  readonly path: string
  readonly journal: Journal
  readonly failures: PointsmanError[]
  readonly recovered: number[]
  /** All that was said to be lost. */
  readonly lost: number[]
}

async function opened(limit = 1 << 20, at?: string): Promise<Opened> {
  const path = at ?? join(await temporaryDirectory(), 'journal')
  const failures: PointsmanError[] = []
  const recovered: number[] = []
  const lost: number[] = []
  const journal = await openJournal({
    path,
    limit,
    build: { version: '1.2.3' },
    onFailure: (error) => failures.push(error),
    onLost: (count) => lost.push(count),
    onRecovered: (count) => recovered.push(count),
  })
  return { path, journal, failures, recovered, lost }
}

async function recordsOf(path: string): Promise<JournalRecord[]> {
  const records: JournalRecord[] = []
  for await (const record of readJournal(path)) records.push(record)
  return records
}

function turnsIn(records: readonly JournalRecord[], base = false) {
  return records.flatMap((one) => {
    if (one.kind !== 'turn' || one.base !== base) return []
    const { kind: _, base: __, ...turn } = one
    return [turn]
  })
}

describe('a journal', () => {
  test('gives back what was recorded, soon, in a file for its user alone', async () => {
    const { path, journal } = await opened()
    const turns = [wanted(1.5, { backends: backends(9) }), said(2, 1, 2, 3), found(3, 1), said(4, 3, 1), said(5, 3)]
    for (const turn of turns) journal.record(turn)
    await expect.poll(async () => turnsIn(await recordsOf(path)).length, { timeout: 4_000 }).toBe(5)
    expect(turnsIn(await recordsOf(path))).toEqual(turns)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await journal[Symbol.asyncDispose]()
  })

  test('writes of a long list what changed in it', async () => {
    const { path, journal } = await opened()
    const many = Array.from({ length: 2_000 }, (_, index) => index + 1)
    journal.record(wanted(1))
    journal.record(said(2, ...many))
    await journal.flush()
    const before = (await stat(path)).size
    journal.record(said(3, ...many.slice(1), 2_001))
    await journal.flush()
    expect((await stat(path)).size - before).toBeLessThan(1_000)
    expect(turnsIn(await recordsOf(path)).at(-1)).toEqual(said(3, ...many.slice(1), 2_001))
    await journal[Symbol.asyncDispose]()
  })

  test('goes on in the file of an earlier process, also behind a line that a crash cut off', async () => {
    const { path, journal } = await opened()
    journal.record(wanted(1))
    journal.record(said(2, 1))
    await journal[Symbol.asyncDispose]()
    await truncate(path, (await stat(path)).size - 7)
    const again = (await opened(1 << 20, path)).journal
    again.record(wanted(3))
    await again[Symbol.asyncDispose]()
    const records = await recordsOf(path)
    expect(records.map(({ kind }) => kind)).toEqual(['header', 'turn', 'cut', 'header', 'turn'])
    expect(records[2]).toEqual({ kind: 'cut', line: 3 })
    expect(turnsIn(records)).toEqual([wanted(1), wanted(3)])
  })

  test('above its limit goes to FILE.1 and begins anew with what is known', async () => {
    const { path, journal } = await opened(20_000)
    journal.record(wanted(1))
    for (let now = 2; now < 400; now++) {
      journal.record(now % 2 === 0 ? said(now, now) : found(now, now))
      if (now % 50 === 0) await journal.flush()
    }
    await journal[Symbol.asyncDispose]()
    const [older, newer] = [await recordsOf(`${path}.1`), await recordsOf(path)]
    const header = (records: readonly JournalRecord[]) => (records[0]?.kind === 'header' ? records[0].header : undefined)
    expect(header(newer)).toMatchObject({ part: (header(older)?.part ?? 0) + 1, run: header(older)?.run, lost: 0 })
    expect(header(newer)?.part).toBeGreaterThan(2)
    for (const each of [path, `${path}.1`]) expect((await stat(each)).size).toBeLessThan(22_000)
    const last = turnsIn(older).at(-1)?.now ?? 0
    const known = (what: (now: number, number: number) => JournalTurn, parity: number) => {
      const at = last % 2 === parity ? last : last - 1
      return what(at, at).event
    }
    expect(turnsIn(newer, true).map(({ event }) => event)).toEqual([wanted(1).event, known(found, 1), known(said, 0)])
    expect(turnsIn(newer)).toEqual(
      Array.from({ length: 399 - last }, (_, index) => last + 1 + index).map((now) =>
        now % 2 === 0 ? said(now, now) : found(now, now),
      ),
    )
  })

  test('that was moved away is begun anew', async () => {
    const { path, journal, failures } = await opened()
    journal.record(wanted(1))
    await journal.flush()
    await rename(path, `${path}.moved`)
    journal.record(said(2, 1))
    await journal[Symbol.asyncDispose]()
    expect(failures).toEqual([])
    const records = await recordsOf(path)
    expect([turnsIn(records, true), turnsIn(records)]).toEqual([[wanted(1)], [said(2, 1)]])
  })

  test('that cannot be written says so once, counts, stops nobody, and goes on with what is known', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const directory = await temporaryDirectory()
      await mkdir(join(directory, 'at'))
      const { path, journal, failures, recovered, lost } = await opened(1 << 20, join(directory, 'at', 'journal'))
      journal.record(wanted(1))
      await journal.flush()
      await rename(join(directory, 'at'), join(directory, 'away'))
      for (const now of [2, 3]) journal.record(said(now, now))
      await journal.flush()
      journal.record(found(4, 4))
      await journal.flush()
      expect(failures.map(({ code, message }) => [code, message])).toEqual([
        [
          'JOURNAL_UNWRITABLE',
          `The journal ${path} cannot be written (ENOENT): the daemon goes on without it and tries again; free space on its disk, or make it writable again.`,
        ],
      ])
      expect(lost).toEqual([2, 1])
      await rename(join(directory, 'away'), join(directory, 'at'))
      journal.record(said(5, 5))
      await vi.advanceTimersByTimeAsync(30_000)
      await journal.flush()
      journal.record(said(6, 6))
      await journal[Symbol.asyncDispose]()
      expect(recovered).toEqual([4])
      const records = await recordsOf(path)
      const begins = records.flatMap((one) => (one.kind === 'header' ? [one.header.lost] : []))
      expect(begins).toEqual([0, 4])
      expect(turnsIn(records, true).map(({ event }) => event)).toEqual([wanted(1).event, found(4, 4).event, said(5, 5).event])
      expect(turnsIn(records)).toEqual([wanted(1), said(6, 6)])
    } finally {
      vi.useRealTimers()
    }
  })

  test('more than can wait for a disk is missing, and the journal says how much', async () => {
    const { path, journal, recovered, lost } = await opened(1 << 26)
    journal.record(wanted(1))
    for (let now = 2; now <= 10_010; now++) journal.record(said(now, now))
    await journal.flush()
    journal.record(said(20_000, 1, 2))
    await journal[Symbol.asyncDispose]()
    expect([lost.length, recovered]).toEqual([10, [10]])
    const records = await recordsOf(path)
    expect(turnsIn(records)).toHaveLength(10_001)
    expect(turnsIn(records, true).at(-1)).toEqual(said(10_010, 10_010))
    expect(turnsIn(records).at(-1)).toEqual(said(20_000, 1, 2))
  })

  test.each([
    ['a directory', 'EISDIR', (path: string) => mkdir(path)],
    ['a device', 'it is no regular file', (path: string) => symlink('/dev/null', path)],
    ['another file', 'it holds something else', (path: string) => writeFile(path, 'services: []\n')],
  ])('is not begun in %s', async (_, why, make) => {
    const path = join(await temporaryDirectory(), 'journal')
    await make(path)
    await expect(opened(1 << 20, path)).rejects.toThrow(
      expect.objectContaining({
        code: 'JOURNAL_UNWRITABLE',
        exitCode: 41,
        message: `The journal ${path} cannot be written (${why}): name another file with --journal, or make it possible to write this one.`,
      }),
    )
  })
})

describe('secrets', () => {
  test('are numbers, by which it is seen that they changed', async () => {
    const { path, journal } = await opened()
    const secretive = (token: string) => {
      const consul = {
        kind: 'consul',
        service: 'web',
        agents: ['http://127.0.0.1:8500'],
        token,
        tags: [],
        nodeMeta: { $map: 'x' },
      }
      const http = {
        kind: 'http',
        url: `https://inventory.example/web.json?token=${token}&zone=a`,
        interval: 1,
        timeout: 1,
        maxSize: 1,
      }
      const probe = { kind: 'http', method: 'GET', path: `/?${token}`, headers: { authorization: `Bearer ${token}` } }
      return {
        sources: [consul, http] as unknown as ServiceSpec['sources'],
        checks: [{ ...tcpCheck, probe: probe as unknown as (typeof tcpCheck)['probe'] }],
      }
    }
    for (const [now, token] of ['s3cr3t-A', 's3cr3t-B', 's3cr3t-A'].entries()) journal.record(wanted(now, secretive(token)))
    await journal[Symbol.asyncDispose]()
    const text = await readFile(path, 'utf8')
    expect(text).not.toContain('s3cr3t')
    expect(text).not.toContain('Bearer')
    const specs = turnsIn(await recordsOf(path)).map(({ event }) =>
      event.kind === 'wanted' ? event.wanted.services[0] : undefined,
    )
    expect(specs[0]).not.toEqual(specs[1])
    expect(specs[0]).toEqual(specs[2])
    expect(specs[0]?.sources).toMatchObject([
      { token: '***1', nodeMeta: { $map: 'x' } },
      { url: 'https://inventory.example/web.json?token=***2&zone=a' },
    ])
    expect(specs[0]?.checks[0]?.probe).toEqual({ kind: 'http', asks: '***3' })
  })
})

describe('a file that is read', () => {
  async function journalOf(...turns: JournalTurn[]): Promise<{ path: string; lines: string[] }> {
    const { path, journal } = await opened()
    for (const turn of turns) journal.record(turn)
    await journal[Symbol.asyncDispose]()
    return { path, lines: (await readFile(path, 'utf8')).trimEnd().split('\n') }
  }

  test.each([
    ['no JSON', 'nonsense'],
    ['half a line', '{"at":2,"do":"sa'],
    ['another object', '{"at":2,"do":"sing"}'],
    ['an event that lacks something', '{"at":2,"do":"said","service":"tcp/10.0.0.1:80","slot":0,"says":"fresh"}'],
    ['a change of nothing', '{"at":2,"do":"operational","service":"tcp/10.0.0.1:80","edit":"none"}'],
    ['a service that nobody knows', '{"at":2,"do":"wanted","services":["tcp/10.0.0.9:80"],"past":[]}'],
    ['nothing', ''],
  ])('with a line of %s in the middle is refused with its number', async (_, spoilt) => {
    const { path, lines } = await journalOf(wanted(1), said(2, 1), said(3, 2))
    await writeFile(path, `${[...lines.slice(0, 2), spoilt, ...lines.slice(3)].join('\n')}\n`)
    const read: JournalRecord[] = []
    const reading = (async () => {
      for await (const record of readJournal(path)) read.push(record)
    })()
    await expect(reading).rejects.toThrow(
      expect.objectContaining({
        code: 'JOURNAL_INVALID',
        exitCode: 32,
        message: `Line 3 of the journal ${path} is spoilt: cut the file off before it, then what is before can be replayed.`,
      }),
    )
    expect(read.map(({ kind }) => kind)).toEqual(['header', 'turn'])
  })

  test('cut off somewhere gives all lines before', async () => {
    const turns = [wanted(1), said(2, 1), found(3, 1)]
    const { path } = await journalOf(...turns)
    const whole = await readFile(path)
    const second = whole.indexOf('\n') + 1
    for (let length = second; length < whole.length; length += length + 3 > whole.length ? 1 : 17) {
      await writeFile(path, whole.subarray(0, length))
      const records = await recordsOf(path)
      const ends = whole.subarray(second, length + 1).filter((byte) => byte === 10).length
      expect(turnsIn(records)).toEqual(turns.slice(0, ends))
      const isWhole = whole[length - 1] === 10 || whole[length] === 10
      expect(records.some(({ kind }) => kind === 'cut')).toBe(!isWhole)
    }
  })

  test.each([
    ['an empty file', ''],
    ['a configuration', 'services: []\n'],
    ['a journal without its beginning', '{"at":2,"do":"wake"}\n'],
  ])('%s is no journal', async (_, text) => {
    const path = join(await temporaryDirectory(), 'journal')
    await writeFile(path, text)
    await expect(recordsOf(path)).rejects.toThrow(/ is no journal: name a file that `pointsman start --journal` wrote/)
  })

  test('of a later version, and none at all, are refused in words', async () => {
    const { path } = await journalOf()
    await appendFile(path, '{"format":"pointsman-journal","version":2,"x":1}\n')
    await expect(recordsOf(path)).rejects.toThrow(/was written by a later version of Pointsman \(format 2\)/)
    await rm(path)
    await expect(recordsOf(path)).rejects.toThrow(
      expect.objectContaining({
        code: 'JOURNAL_UNREADABLE',
        message: `The journal ${path} cannot be read (ENOENT): name another file.`,
      }),
    )
  })
})
