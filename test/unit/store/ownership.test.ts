import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { currentPlace, type OwnershipEdit, openOwnership, ownershipFile } from '../../../src/store/ownership.ts'
import { Ownership } from '../../../src/store/ownership-record.ts'
import { identity, key } from '../../support/desired.ts'

const place = { bootId: 'boot-1', netns: '4026531840' }
const WEB = identity('tcp/10.0.0.1:80')
const DNS = identity('fwmark/7/ipv6')
const edits: OwnershipEdit[] = [
  { do: 'own-service', service: WEB, name: 'web' },
  { do: 'own', service: serviceKey(WEB), destinations: [key('10.1.0.1:80'), key('10.1.0.2:80')] },
  { do: 'drain', service: serviceKey(WEB), destinations: { [key('10.1.0.2:80')]: { startedAt: 1_000, deadline: 2_000 } } },
  { do: 'own-service', service: DNS, name: 'dns' },
  { do: 'own-sync-daemon', role: 'master' },
]

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-ownership-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = () => join(directory, ownershipFile(place))
const reopen = (more: Partial<Parameters<typeof openOwnership>[0]> = {}) => openOwnership({ directory, place, ...more })

describe('the ownership record', () => {
  it('is empty at first and gives back what was written', async () => {
    const store = await reopen()
    expect(store.origin).toEqual({ kind: 'none' })
    await store.write(edits)
    const again = await reopen()
    expect(again.origin).toEqual({ kind: 'loaded' })
    expect(again.record).toEqual(store.record)
    expect(again.record.services.get(serviceKey(WEB))).toEqual({
      name: 'web',
      identity: WEB,
      destinations: new Set(['10.1.0.1:80', '10.1.0.2:80']),
      drains: new Map([['10.1.0.2:80', { startedAt: 1_000, deadline: 2_000 }]]),
    })
  })

  it('names the services with drains, after any edits', () => {
    const service = fc.constantFrom(WEB, DNS)
    const destinations = fc.uniqueArray(fc.constantFrom(key('10.1.0.1:80'), key('10.1.0.2:80')), { minLength: 1 })
    const edit: fc.Arbitrary<OwnershipEdit> = fc.oneof(
      service.map((of): OwnershipEdit => ({ do: 'own-service', service: of, name: 'x' })),
      service.map((of): OwnershipEdit => ({ do: 'forget-service', service: serviceKey(of) })),
      fc
        .tuple(fc.constantFrom('own', 'forget', 'undrain' as const), service, destinations)
        .map(([verb, of, list]): OwnershipEdit => ({ do: verb, service: serviceKey(of), destinations: list })),
      fc.tuple(service, destinations).map(([of, list]): OwnershipEdit => {
        const drains = Object.fromEntries(list.map((one) => [one, { startedAt: 1, deadline: 2 }]))
        return { do: 'drain', service: serviceKey(of), destinations: drains }
      }),
    )
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 30 }), (history) => {
        const record = new Ownership()
        for (const one of history) {
          record.apply(one)
          const draining = [...record.services].filter(([, { drains }]) => drains.size > 0).map(([name]) => name)
          expect([...record.draining].sort()).toEqual(draining.sort())
        }
      }),
    )
  })

  it('appends to the file, and forgets', async () => {
    const store = await reopen()
    await store.write(edits)
    const size = (await stat(file())).size
    const inode = (await stat(file())).ino
    await store.write([{ do: 'forget', service: serviceKey(WEB), destinations: [key('10.1.0.2:80')] }])
    await store.write([
      { do: 'forget-service', service: serviceKey(DNS) },
      { do: 'forget-sync-daemon', role: 'master' },
    ])
    expect((await stat(file())).ino, 'the same file').toBe(inode)
    expect((await stat(file())).size).toBeGreaterThan(size)
    const { record } = await reopen()
    expect([...record.services.keys()]).toEqual([serviceKey(WEB)])
    expect(record.services.get(serviceKey(WEB))?.destinations).toEqual(new Set(['10.1.0.1:80']))
    expect(record.services.get(serviceKey(WEB))?.drains.size).toBe(0)
    expect(record.syncDaemons.size).toBe(0)
  })

  it('is whole again when somebody has removed the file under a running process', async () => {
    const store = await reopen()
    await store.write(edits)
    await rm(file())
    await store.write([{ do: 'forget-service', service: serviceKey(DNS) }])
    const again = await reopen()
    expect(again.origin).toEqual({ kind: 'loaded' })
    expect(again.record).toEqual(store.record)
    expect([...again.record.services.keys()]).toEqual([serviceKey(WEB)])
  })

  it('is written anew before it grows without bound', async () => {
    const store = await reopen()
    await store.write(edits)
    for (let turn = 0; turn < 600; turn++) {
      await store.write([
        { do: 'own', service: serviceKey(WEB), destinations: [key('10.1.0.9:80')] },
        { do: 'forget', service: serviceKey(WEB), destinations: [key('10.1.0.9:80')] },
      ])
    }
    expect((await readFile(file(), 'utf8')).split('\n').length).toBeLessThan(1_100)
    expect((await reopen()).record).toEqual(store.record)
    expect(await readdir(directory)).toEqual([ownershipFile(place)])
  })

  it('counts for nothing after a reboot or in another network namespace', async () => {
    await (await reopen()).write(edits)
    const rebooted = await reopen({ place: { ...place, bootId: 'boot-2' } })
    expect(rebooted.origin).toEqual({ kind: 'other-boot' })
    expect(rebooted.record.services.size).toBe(0)
    const renamed = { ...place, netns: '4026532000' }
    await rename(file(), join(directory, ownershipFile(renamed)))
    const elsewhere = await reopen({ place: renamed })
    expect(elsewhere.origin).toEqual({ kind: 'other-namespace' })
    expect(elsewhere.record.services.size).toBe(0)
  })

  it('of one network namespace never mixes with that of another in the same directory', async () => {
    const other = { ...place, netns: '4026532000' }
    const here = await reopen()
    await here.write(edits.slice(0, 2))
    const there = await reopen({ place: other })
    expect(there.origin).toEqual({ kind: 'none' })
    await there.write([{ do: 'own-service', service: DNS, name: 'dns' }])
    await here.write([{ do: 'own', service: serviceKey(WEB), destinations: [key('10.1.0.3:80')] }])
    expect([...(await reopen({ place: other })).record.services.keys()]).toEqual([serviceKey(DNS)])
    expect((await reopen()).record).toEqual(here.record)
    expect(here.record.services.get(serviceKey(WEB))?.destinations.size).toBe(3)
  })

  it('is written anew where somebody else has replaced or lengthened it, and nothing of theirs is taken over', async () => {
    const foreign = `${JSON.stringify({ format: 'x', version: 1, bootId: 'boot-9', netns: '4026531840' })}\n`
    const meddle = [
      () => writeFile(`${file()}.theirs`, foreign).then(() => rename(`${file()}.theirs`, file())),
      () => appendFile(file(), '{"do":"own-sync-daemon","role":"backup"}\n'),
      () => writeFile(file(), foreign),
    ]
    for (const each of meddle) {
      await rm(file(), { force: true })
      const first = await reopen()
      await first.write(edits)
      const read = await reopen()
      for (const store of [first, read]) {
        await each()
        await store.write([{ do: 'own-service', service: DNS, name: 'names' }])
        const again = await reopen()
        expect(again.origin).toEqual({ kind: 'loaded' })
        expect(again.record).toEqual(store.record)
        expect([...again.record.syncDaemons]).toEqual(['master'])
      }
    }
  })

  it('of a version that had one name for all namespaces is taken over by its own, and by no other', async () => {
    const store = await reopen()
    await store.write(edits)
    const common = join(directory, 'ownership.json')
    await rename(file(), common)
    const other = await reopen({ place: { ...place, netns: '4026532000' } })
    expect(other.record.services.size).toBe(0)
    await other.write([{ do: 'own-sync-daemon', role: 'backup' }])
    const upgraded = await reopen()
    expect(upgraded.origin).toEqual({ kind: 'loaded' })
    expect(upgraded.record).toEqual(store.record)
    expect(await readFile(common, 'utf8'), 'untouched before there is a new one').toContain('"web"')
    await upgraded.write([{ do: 'forget-service', service: serviceKey(DNS) }])
    expect((await readdir(directory)).toSorted()).toEqual([ownershipFile(place), 'ownership-4026532000.json'])
    expect((await reopen()).record).toEqual(upgraded.record)
  })

  it('leaves out a last line that a crash cut off, and goes on', async () => {
    const store = await reopen()
    await store.write(edits)
    const whole = await readFile(file(), 'utf8')
    await writeFile(file(), `${whole}{"do":"own","service":"tcp/10.0.0.1:80","destin`)
    const again = await reopen()
    expect(again.origin).toEqual({ kind: 'loaded' })
    expect(again.record).toEqual(store.record)
    await again.write([{ do: 'forget-service', service: serviceKey(DNS) }])
    const third = await reopen()
    expect(third.origin).toEqual({ kind: 'loaded' })
    expect([...third.record.services.keys()]).toEqual([serviceKey(WEB)])
  })

  it.each([
    ['no header', 'garbage\n'],
    ['nothing', ''],
    ['binary', '\u0000\u0001\u0002'],
    [
      'a broken line',
      `{"format":"x","version":1,"bootId":"boot-1","netns":"4026531840"}\n{"do":\n{"do":"own-sync-daemon","role":"master"}\n`,
    ],
    ['an unknown edit', `{"format":"x","version":1,"bootId":"boot-1","netns":"4026531840"}\n{"do":"eat"}\n`],
    [
      'a service that nobody owns',
      `{"format":"x","version":1,"bootId":"boot-1","netns":"4026531840"}\n{"do":"own","service":"tcp/1.1.1.1:1","destinations":["1.1.1.1:1"]}\n`,
    ],
  ])('with %s is set aside, and an empty one begins', async (_, content) => {
    await writeFile(file(), content)
    const store = await reopen({ now: () => Date.UTC(2024, 0, 2, 3, 4, 5) })
    expect(store.origin).toMatchObject({ kind: 'corrupt', setAside: `${file()}.corrupt-2024-01-02T03-04-05.000Z` })
    expect(await readFile(`${file()}.corrupt-2024-01-02T03-04-05.000Z`, 'utf8')).toBe(content)
    expect(store.record.services.size).toBe(0)
    await store.write(edits)
    expect((await reopen()).origin).toEqual({ kind: 'loaded' })
  })

  it('is not touched by a reader', async () => {
    await writeFile(file(), 'garbage\n')
    const reader = await reopen({ access: 'read' })
    expect(reader.origin).toMatchObject({ kind: 'corrupt' })
    expect(await readdir(directory)).toEqual([ownershipFile(place)])
    await expect(reader.write(edits)).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  it.each(['{"version":2,"bootId":"boot-1"}\nsomething else\n', '{\n  "version": 7\n}\n'])(
    'of a later version is refused and left as it is',
    async (content) => {
      await writeFile(file(), content)
      await expect(reopen()).rejects.toMatchObject({ code: 'STATE_NEWER' })
      expect(await readFile(file(), 'utf8')).toBe(content)
    },
  )

  it('that cannot be written rejects with the cure, stays as it was, and recovers', async () => {
    const blocked = join(directory, 'blocked')
    await writeFile(blocked, 'a file where the folder should be')
    const store = await openOwnership({ directory: join(directory, 'state'), place })
    await store.write(edits)
    const before = structuredClone([...store.record.services.keys()])
    await rm(join(directory, 'state'), { recursive: true })
    await writeFile(join(directory, 'state'), 'in the way')
    await expect(store.write([{ do: 'forget-service', service: serviceKey(DNS) }])).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE',
      message: expect.stringContaining('writable'),
    })
    expect([...store.record.services.keys()]).toEqual(before)
    await rm(join(directory, 'state'))
    await store.write([{ do: 'forget-service', service: serviceKey(DNS) }])
    const again = await openOwnership({ directory: join(directory, 'state'), place })
    expect([...again.record.services.keys()], 'all of it is there, not the last edit alone').toEqual([serviceKey(WEB)])
  })

  it('survives a process that is killed while it writes, at whatever moment', { timeout: 120_000 }, async () => {
    const script = `
      import { openOwnership } from ${JSON.stringify(new URL('../../../src/store/ownership.ts', import.meta.url).pathname)}
      const store = await openOwnership({ directory: process.argv[1], place: { bootId: 'boot-1', netns: '4026531840' } })
      const service = { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 }
      await store.write([{ do: 'own-service', service, name: 'web' }])
      for (let count = 1; ; count++) {
        await store.write([{ do: 'own', service: 'tcp/10.0.0.1:80', destinations: ['10.1.0.1:' + count] }])
        process.stdout.write(count + '\\n')
      }`
    let confirmed = 0
    const child = execFile(process.execPath, ['--input-type=module', '-e', script, directory])
    child.stdout?.on('data', (text: string) => {
      confirmed = Number(text.trim().split('\n').at(-1))
      if (confirmed > 1_300) child.kill('SIGKILL')
    })
    await new Promise((resolve) => child.on('close', resolve))
    const { origin, record } = await reopen()
    expect(origin).toEqual({ kind: 'loaded' })
    expect(confirmed).toBeGreaterThan(1_300)
    expect(record.services.get(serviceKey(WEB))?.destinations.size).toBeGreaterThanOrEqual(confirmed)
  })

  it('gives back any record', async () => {
    const service = fc.constantFrom(WEB, DNS, identity('udp/[2001:db8::1]:53'))
    const destinations = fc.uniqueArray(
      fc.integer({ min: 1, max: 1_500 }).map((port) => key(`10.1.0.1:${port}`)),
      { maxLength: 1_200 },
    )
    const drain = fc.record({ startedAt: fc.nat(), deadline: fc.nat() })
    const edit: fc.Arbitrary<OwnershipEdit[]> = fc
      .tuple(service, destinations, drain, fc.constantFrom('own', 'forget', 'undrain', 'drain', 'gone'))
      .map(([one, keys, times, verb]) => {
        const own: OwnershipEdit = { do: 'own-service', service: one, name: 'any' }
        const owner = serviceKey(one)
        if (verb === 'gone') return [own, { do: 'forget-service', service: owner }]
        if (verb === 'drain')
          return [own, { do: 'drain', service: owner, destinations: Object.fromEntries(keys.map((name) => [name, times])) }]
        return [own, { do: verb as 'own', service: owner, destinations: keys }]
      })
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 8 }), async (writes) => {
        await rm(file(), { force: true })
        const store = await reopen()
        for (const write of writes) await store.write(write)
        expect((await reopen()).record).toEqual(store.record)
        const copy = new Ownership()
        for (const one of (store.record as Ownership).edits(7)) expect(copy.apply(one)).toBe(true)
        expect(copy).toEqual(store.record)
      }),
      { numRuns: 50 },
    )
  })
})

describe('currentPlace', () => {
  it('is the same for this process each time and another one in another namespace', async () => {
    expect(await currentPlace()).toEqual(await currentPlace())
    expect((await currentPlace()).bootId).toMatch(/^[0-9a-f-]{36}$/)
    const { stdout } = await promisify(execFile)('readlink', ['/proc/self/ns/net'])
    expect(stdout.trim()).toBe(`net:[${(await currentPlace()).netns}]`)
  })
})
