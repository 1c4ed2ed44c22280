import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { PointsmanError } from '../../../src/errors.ts'
import type { Backend } from '../../../src/model/backend.ts'
import { destinationKey } from '../../../src/model/destination.ts'
import type { SourceSpec } from '../../../src/model/source-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { openSnapshots, type Snapshot, type SnapshotStore, snapshotsFile } from '../../../src/store/snapshots.ts'
import { parseSnapshots, snapshotLines, snapshotsHeader } from '../../../src/store/snapshots-file.ts'
import { endpoint, identity } from '../../support/desired.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const DNS = serviceKey(identity('udp/[2001:db8::1]:53'))
const FILE: SourceSpec = { kind: 'file', path: '/etc/web.yaml' }

function snapshot(at: number, ...list: Backend[]): Snapshot {
  return { members: new Map(list.map((backend) => [destinationKey(backend), { backend }])), held: new Map(), at }
}

const one: Backend = { ...endpoint('10.1.0.1:80') }
const full: Backend = {
  ...endpoint('[2001:db8::2]:80'),
  weight: 0,
  forwarding: { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } },
  upperThreshold: 5,
  lowerThreshold: 2,
  priority: 10,
  state: 'critical',
  meta: { zone: 'a' },
}
const two: Backend = endpoint('10.1.0.2:80')

const place = { bootId: 'boot-1', netns: '4026531840' }
const elsewhere = { ...place, netns: '4026532000' }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-snapshots-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = () => join(directory, snapshotsFile(place))
const open = (more: Partial<Parameters<typeof openSnapshots>[0]> = {}) => openSnapshots({ directory, place, ...more })

async function written(store: SnapshotStore): Promise<string[]> {
  await store.flush()
  return (await readFile(file(), 'utf8')).trim().split('\n')
}

describe('the last good answers', () => {
  it('are none at first, and are given back with their age, everything in them and what was held', async () => {
    const store = await open()
    expect(store.origin).toEqual({ kind: 'none' })
    expect(store.get(WEB, FILE)).toBeUndefined()
    const good: Snapshot = {
      ...snapshot(1_000, one, full),
      held: new Map([[destinationKey(two), { backend: two, since: 900, rule: 'empty' }]]),
    }
    store.put(WEB, FILE, good)
    store.put(DNS, FILE, snapshot(2_000))
    await store.flush()
    const again = await open()
    expect(again.origin).toEqual({ kind: 'loaded' })
    expect(again.get(WEB, { path: '/etc/web.yaml', kind: 'file' })).toEqual(good)
    expect(again.get(DNS, FILE)).toEqual(snapshot(2_000))
  })

  it("have the wall clock's times in the file, by which the next process judges their age", async () => {
    let ahead = 0
    const store = await open({ ahead: () => ahead })
    const held = new Map([[destinationKey(two), { backend: two, since: 900, rule: 'removal' as const }]])
    store.put(WEB, FILE, { ...snapshot(1_000, one), held })
    ahead = 3_600_000
    await store.flush()
    expect(store.get(WEB, FILE)).toMatchObject({ at: 1_000 })
    expect((await open()).get(WEB, FILE)).toMatchObject({ at: 3_601_000 })
    expect([...((await open()).get(WEB, FILE)?.held.values() ?? [])]).toMatchObject([{ since: 3_600_900 }])
    store.put(WEB, FILE, { ...snapshot(400_000, one), held })
    await store.flush()
    expect((await open()).get(WEB, FILE)).toMatchObject({ at: 4_000_000 })
  })

  it('belong to a source by what that is asked for, and to no other', async () => {
    const store = await open()
    store.put(WEB, FILE, snapshot(1, one))
    expect(store.get(WEB, { ...FILE, path: '/etc/other.yaml' })).toBeUndefined()
    expect(store.get(DNS, FILE)).toBeUndefined()
    const list = { kind: 'http', url: 'http://a/?key=web', interval: 30_000, timeout: 1_000, maxSize: 1_000 } as const
    store.put(WEB, list, snapshot(1, two))
    expect(store.get(WEB, { ...list, interval: 5_000, tls: { verify: false } })).toEqual(snapshot(1, two))
    expect(store.get(WEB, { ...list, url: 'http://a/?key=api' })).toBeUndefined()
  })

  it('hold no secret of the specification', async () => {
    const store = await open()
    store.put(WEB, { ...FILE, token: 'hunter2' } as SourceSpec, snapshot(1, one))
    expect((await written(store)).join()).not.toContain('hunter2')
    expect((await stat(file())).mode & 0o777).toBe(0o600)
  })

  it('are forgotten with their source', async () => {
    const store = await open()
    store.put(WEB, FILE, snapshot(1, one))
    await store.flush()
    store.forget(WEB, FILE)
    expect(store.get(WEB, FILE)).toBeUndefined()
    await store.flush()
    expect((await open()).get(WEB, FILE)).toBeUndefined()
  })

  it('are forgotten where the configuration names the source no longer', async () => {
    const store = await open()
    store.put(WEB, FILE, snapshot(1, one))
    store.put(DNS, FILE, snapshot(2, one))
    await store.flush()
    const next = await open()
    next.retain([{ service: DNS, source: FILE }])
    expect(next.get(WEB, FILE)).toBeUndefined()
    await next.flush()
    const third = await open()
    expect([third.get(WEB, FILE), third.get(DNS, FILE)]).toEqual([undefined, snapshot(2, one)])
  })

  it('are never written by who only looks, and known to it all the same', async () => {
    const store = await open({ access: 'read' })
    store.put(WEB, FILE, snapshot(1, one))
    expect(store.get(WEB, FILE)).toEqual(snapshot(1, one))
    await store.flush()
    await store[Symbol.asyncDispose]()
    expect(await readdir(directory)).toEqual([])
  })
})

describe('the last good answers of two network namespaces that share a directory', () => {
  it('do not mix while both are in use', async () => {
    const inUse = async () => true
    const here = await open({ inUse })
    here.put(WEB, FILE, snapshot(1, one))
    await here.flush()
    const there = await open({ place: elsewhere, inUse })
    expect(there.get(WEB, FILE)).toBeUndefined()
    there.put(WEB, FILE, snapshot(2, two))
    await there.flush()
    here.put(DNS, FILE, snapshot(3, one))
    await here.flush()
    expect((await open({ inUse })).get(WEB, FILE)).toEqual(snapshot(1, one))
    const again = await open({ place: elsewhere, inUse })
    expect([again.get(WEB, FILE), again.get(DNS, FILE)]).toEqual([snapshot(2, two), undefined])
  })

  it('pass to a new namespace from the newest whose daemon is gone, so that a container keeps its past', async () => {
    const older = await open({ place: { ...place, netns: '1' } })
    older.put(WEB, FILE, snapshot(1, two))
    await older.flush()
    await utimes(join(directory, snapshotsFile({ netns: '1' })), 1, 1)
    const used = await open({ place: { ...place, netns: '2' } })
    used.put(WEB, FILE, snapshot(3, two))
    await used.flush()
    const gone = await open({ place: elsewhere })
    gone.put(WEB, FILE, snapshot(2, one))
    await gone.flush()
    await utimes(join(directory, snapshotsFile(elsewhere)), 2, 2)
    const inUse = async (netns: string | undefined) => netns === '2'
    expect((await open({ inUse, access: 'read' })).get(WEB, FILE)).toEqual(snapshot(2, one))
    const next = await open({ inUse })
    next.put(DNS, FILE, snapshot(4, one))
    await next.flush()
    expect((await readdir(directory)).toSorted()).toEqual(
      [1, 2, place.netns].map((netns) => snapshotsFile({ netns: String(netns) })),
    )
    const again = await open({ inUse })
    expect([again.get(WEB, FILE), again.get(DNS, FILE)]).toEqual([snapshot(2, one), snapshot(4, one)])
  })

  it('pass on from a version with one name for all', async () => {
    const store = await open()
    store.put(WEB, FILE, snapshot(1, one))
    await store.flush()
    await rename(file(), join(directory, 'snapshots.json'))
    const asked: (string | undefined)[] = []
    const inUse = async (netns: string | undefined) => {
      asked.push(netns)
      return false
    }
    expect((await open({ inUse })).get(WEB, FILE)).toEqual(snapshot(1, one))
    expect(asked).toEqual([undefined])
  })
})

describe('writing', () => {
  it('gathers what becomes known for two seconds, then syncs once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const store = await open()
      for (let count = 0; count < 50; count++) store.put(WEB, FILE, snapshot(count, one))
      vi.advanceTimersByTime(1_999)
      await new Promise((resolve) => setImmediate(resolve))
      expect(await readdir(directory)).toEqual([])
      vi.advanceTimersByTime(1)
      await vi.waitFor(async () => expect(await readdir(directory)).toEqual([snapshotsFile(place)]))
      expect(await written(store)).toHaveLength(2)
    } finally {
      vi.useRealTimers()
    }
  })

  it('of a mere confirmation waits for five minutes or the end, and costs a line however large the answer', async () => {
    const store = await open()
    const known = snapshot(0, one, two)
    store.put(WEB, FILE, known)
    expect(await written(store)).toHaveLength(2)
    store.put(WEB, FILE, { ...known, at: 299_999 })
    expect(await written(store)).toHaveLength(2)
    store.put(WEB, FILE, { ...known, at: 300_000 })
    expect((await written(store))[2]).toMatch(/^\{"service":.*"do":"confirm","at":300000\}$/)
    store.put(WEB, FILE, { ...known, at: 300_001 })
    await store[Symbol.asyncDispose]()
    expect((await open()).get(WEB, FILE)).toEqual({ ...known, at: 300_001 })
  })

  it('repeats nothing after a restart in which every source says the same', async () => {
    const first = await open()
    first.put(WEB, FILE, snapshot(0, one, full))
    await first.flush()
    const second = await open()
    second.put(WEB, FILE, snapshot(1_000, one, full))
    expect(await written(second)).toHaveLength(2)
    second.put(WEB, FILE, snapshot(2_000, one))
    expect(await written(second)).toHaveLength(3)
  })

  it('begins a new file before the old one grows without bound', async () => {
    const store = await open()
    for (let turn = 0; turn < 1_100; turn++) {
      store.put(WEB, FILE, snapshot(turn, turn % 2 === 0 ? one : two))
      await store.flush()
    }
    expect((await written(store)).length).toBeLessThan(1_010)
    expect((await open()).get(WEB, FILE)).toEqual(snapshot(1_099, two))
    expect(await readdir(directory)).toEqual([snapshotsFile(place)])
  })

  it('that fails is told once, loses nothing and is tried again', async () => {
    const failures: PointsmanError[] = []
    await mkdir(`${file()}.new`)
    const store = await open({ onFailure: (error) => failures.push(error) })
    store.put(WEB, FILE, snapshot(1, one))
    await store.flush()
    store.put(DNS, FILE, snapshot(2, one))
    await store.flush()
    expect(failures.map(({ code }) => code)).toEqual(['STATE_UNWRITABLE'])
    expect(failures[0]?.message).toContain('cannot be kept')
    await rm(`${file()}.new`, { recursive: true })
    await store[Symbol.asyncDispose]()
    const again = await open()
    expect(again.get(WEB, FILE)).toEqual(snapshot(1, one))
    expect(again.get(DNS, FILE)).toEqual(snapshot(2, one))
  })
})

describe('a file that', () => {
  const many = Array.from({ length: 600 }, (_, index) => endpoint(`10.2.${index >> 8}.${index & 255}:80`))

  it('a crash cut off loses the last answer and nothing before it, wherever the cut is', async () => {
    const store = await open()
    store.put(WEB, FILE, snapshot(1, one))
    await store.flush()
    const before = (await stat(file())).size
    store.put(WEB, FILE, snapshot(2, ...many))
    await store.flush()
    const whole = await readFile(file())
    const ends = [...whole.keys()].filter((index) => whole[index] === 10 && index >= before)
    expect(ends.length).toBeGreaterThan(1)
    for (const size of [before + 10, (ends[0] ?? 0) + 1, whole.length - 1]) {
      await writeFile(file(), whole)
      await truncate(file(), size)
      const cut = await open()
      expect(cut.origin).toEqual({ kind: 'loaded' })
      expect(cut.get(WEB, FILE)).toEqual(snapshot(1, one))
      cut.put(WEB, FILE, snapshot(3, two))
      await cut.flush()
      expect((await open()).get(WEB, FILE)).toEqual(snapshot(3, two))
    }
  })

  it.each([
    ['has no header', 'garbage\n', 'line 1'],
    ['is empty', '', 'line 1'],
    ['is the record of something else', '{"format":"pointsman-ownership","version":1}\n', 'line 1'],
    ['holds a line of nonsense', `${snapshotsHeader()}nonsense\n`, 'line 2'],
    [
      'names an address that is none',
      `${snapshotsHeader()}{"do":"know","service":"a","source":"b","at":1,"part":0,"more":false,"members":[{"address":"x","port":1}],"held":[]}\n`,
      'line 2',
    ],
  ])('%s is set aside, and the next one is whole', async (_, content, where) => {
    await writeFile(file(), content)
    const looking = await open({ access: 'read' })
    expect(looking.origin).toEqual({ kind: 'corrupt', reason: expect.stringContaining(where) })
    const store = await open({ now: () => 0 })
    expect(store.origin).toEqual({
      kind: 'corrupt',
      reason: expect.stringContaining(where),
      setAside: `${file()}.corrupt-1970-01-01T00-00-00.000Z`,
    })
    expect(await readFile(`${file()}.corrupt-1970-01-01T00-00-00.000Z`, 'utf8')).toBe(content)
    store.put(WEB, FILE, snapshot(1, one))
    await store.flush()
    expect((await open()).get(WEB, FILE)).toEqual(snapshot(1, one))
  })

  it('is of a later version is refused and left as it is', async () => {
    const content = '{"format":"pointsman-snapshots","version":2}\nwhatever\n'
    await writeFile(file(), content)
    await expect(open()).rejects.toMatchObject({ code: 'STATE_NEWER' })
    expect(await readFile(file(), 'utf8')).toBe(content)
  })

  it('cannot be read is said so', async () => {
    await mkdir(file())
    await expect(open()).rejects.toMatchObject({ code: 'STATE_UNWRITABLE', message: expect.stringContaining('EISDIR') })
  })
})

describe('the text of an answer', () => {
  it('reads back as it was, in lines of bounded length', { timeout: 120_000 }, () => {
    const backend = fc.record(
      {
        address: fc.integer({ min: 0, max: 255 }).map((last) => endpoint(`10.1.0.${last}:1`).address),
        port: fc.integer({ min: 0, max: 65_535 }),
        weight: fc.integer({ min: 0, max: 65_535 }),
        state: fc.constantFrom('passing' as const, 'maintenance' as const),
        meta: fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          fc.string(),
          { noNullPrototype: true },
        ),
      },
      { requiredKeys: ['address', 'port'] },
    )
    const members = fc.array(backend, { maxLength: 700, size: 'max' })
    fc.assert(
      fc.property(members, members, fc.nat(), (named, held, at) => {
        const good: Snapshot = {
          ...snapshot(at, ...named),
          held: new Map(held.map((one) => [destinationKey(one), { backend: one, since: 5, rule: 'removal' }])),
        }
        const lines = [...snapshotLines({ do: 'know', service: WEB, source: 'id', snapshot: good })]
        const parsed = parseSnapshots([snapshotsHeader(), ...lines].join(''))
        expect(parsed).toMatchObject({ kind: 'snapshots', lines: lines.length + 1, torn: false })
        if (parsed.kind === 'snapshots')
          expect([...parsed.snapshots.values()]).toEqual([{ service: WEB, source: 'id', snapshot: good }])
      }),
      { numRuns: 30 },
    )
  })
})
