import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NO_WORDS, type OperatorVerb, say } from '../../../src/model/operator-words.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { openWords, type WordsStore, wordsFile } from '../../../src/store/words.ts'
import { parseWords, wordLine, wordsHeader } from '../../../src/store/words-file.ts'
import { identity, key } from '../../support/desired.ts'

const place = { bootId: 'boot-1', netns: '4026531840' }
const web = serviceKey(identity('tcp/10.0.0.1:80'))
const dns = serviceKey(identity('fwmark/7/ipv6'))
const [one, two] = [
  { service: web, backend: key('10.0.1.1:80') },
  { service: dns, backend: key('[2001:db8::1]:53') },
]
const DRAIN: OperatorVerb = { verb: 'drain', reason: 'disk "a"\nnew', until: 60 }
const RAMP: OperatorVerb = { verb: 'weight', weight: 9, ramp: { from: 1, duration: 1_000, steps: 4 } }
const words = say(say(NO_WORDS, one, DRAIN, 5), two, RAMP, 6)

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-words-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = () => join(directory, wordsFile(place))
const open = (more: Partial<Parameters<typeof openWords>[0]> = {}) => openWords({ directory, place, ...more })

async function close(store: WordsStore): Promise<void> {
  await store[Symbol.asyncDispose]()
}

describe("the operator's words", () => {
  it('are none at first, and are given back until they are taken back', async () => {
    const store = await open()
    expect([store.origin, store.words]).toEqual([{ kind: 'none' }, NO_WORDS])
    store.replace(words)
    expect(await store.flush()).toBe(true)
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    await close(store)
    const again = await open()
    expect([again.origin, again.words, again.spoilt]).toEqual([{ kind: 'loaded' }, words, []])
    again.replace(say(words, one, { verb: 'ready' }, 7))
    await close(again)
    expect((await open()).words).toEqual(say(NO_WORDS, two, RAMP, 6))
  })

  it('run out at the hour that was meant, also where the wall clock was stepped meanwhile', async () => {
    const hour = 3_600_000
    let ahead = 3
    const store = await open({ ahead: () => ahead })
    store.replace(words)
    await store.flush()
    ahead = hour + 2
    store.replace(say(store.words, one, { verb: 'maintenance', until: 60_000 }, 30_000))
    await store.flush()
    expect((await open({ access: 'read' })).words.get(web)?.get(one.backend)).toMatchObject({
      at: hour + 30_000,
      until: hour + 60_000,
    })
    expect((await open({ access: 'read' })).words.get(dns)?.get(two.backend)?.weight).toEqual({
      ...words.get(dns)?.get(two.backend)?.weight,
      at: hour + 6,
      ramp: { from: 1, startedAt: hour + 6, duration: 1_000, steps: 4 },
    })
    expect((await open({ access: 'read', ahead: () => hour })).words).toEqual(store.words)
    ahead = -hour
    await close(store)
    expect((await open()).words.get(web)?.get(one.backend)).toMatchObject({ until: 60_000 - hour })
  })

  it('are appended one by one, and not at all when they say the same again', async () => {
    const store = await open()
    store.replace(say(NO_WORDS, one, DRAIN, 5))
    await store.flush()
    const before = await readFile(file(), 'utf8')
    store.replace(store.words)
    await store.flush()
    expect(await readFile(file(), 'utf8')).toBe(before)
    store.replace(say(store.words, two, RAMP, 6))
    await store.flush()
    const word = store.words.get(dns)?.get(two.backend)
    if (word === undefined) throw new Error('the word is not there')
    expect(await readFile(file(), 'utf8')).toBe(before + wordLine({ do: 'say', ...two, word }))
  })

  it('are taken over from a namespace whose daemon is gone', async () => {
    const store = await open({ place: { ...place, netns: '7' } })
    store.replace(words)
    await close(store)
    expect((await open({ inUse: async () => true })).words).toEqual(NO_WORDS)
    expect((await open({ inUse: async () => false })).words).toEqual(words)
  })

  it('opened for reading change nothing', async () => {
    await writeFile(file(), 'nonsense')
    const store = await open({ access: 'read' })
    store.replace(words)
    await close(store)
    expect(await readdir(directory)).toEqual([wordsFile(place)])
    expect(await readFile(file(), 'utf8')).toBe('nonsense')
  })

  it('lose a line that cannot be understood, and no other', async () => {
    const store = await open()
    store.replace(words)
    await close(store)
    const [header, first, ...rest] = (await readFile(file(), 'utf8')).split('\n')
    await writeFile(file(), [header, `${first?.slice(0, 9)}#${first?.slice(10)}`, '{"do":"say"}', ...rest].join('\n'))
    const spoilt = await open()
    expect([spoilt.spoilt, spoilt.words]).toEqual([[2, 3], say(NO_WORDS, two, RAMP, 6)])
    spoilt.replace(say(spoilt.words, one, DRAIN, 5))
    await close(spoilt)
    const again = await open()
    expect([again.spoilt, again.words]).toEqual([[], words])
  })

  it('in a file that is none of ours are set aside with it', async () => {
    await writeFile(file(), 'nonsense\n')
    const store = await open({ now: () => 0 })
    expect(store.origin).toMatchObject({ kind: 'corrupt', setAside: `${file()}.corrupt-1970-01-01T00-00-00.000Z` })
    expect(store.words).toBe(NO_WORDS)
  })

  it('of a later version are left as they are', async () => {
    await writeFile(file(), '{"format":"pointsman-operator-words","version":2}\n')
    await expect(open()).rejects.toMatchObject({ code: 'STATE_NEWER' })
  })

  it('that cannot be written are told of once, and written when that is possible', async () => {
    const onFailure = vi.fn()
    const store = await open({ onFailure })
    await mkdir(file())
    store.replace(words)
    expect([await store.flush(), await store.flush()]).toEqual([false, false])
    expect(onFailure).toHaveBeenCalledTimes(1)
    expect(onFailure).toHaveBeenCalledWith(expect.objectContaining({ code: 'STATE_UNWRITABLE' }))
    await rm(file(), { recursive: true })
    expect(await store.flush()).toBe(true)
    await close(store)
    expect((await open()).words).toEqual(words)
  })
})

it('an append that a crash cut off is left out', () => {
  const line = wordLine({ do: 'unsay', ...one })
  expect(parseWords(`${wordsHeader()}${line}${line.slice(0, -5)}`)).toMatchObject({ torn: true, lines: 2, spoilt: [] })
})

it.each([
  '{"do":"say","service":"s","backend":"b","word":{"state":"gone","at":1}}',
  '{"do":"say","service":"s","backend":"b","word":{"state":"ready","at":1,"weight":{"weight":65536,"at":1}}}',
  '{"do":"say","service":"s","backend":"b","word":{"state":"ready","at":1,"more":1}}',
  '{"do":"shout","service":"s","backend":"b"}',
  '',
])('a line that is no word: %s', (line) => {
  expect(parseWords(`${wordsHeader()}${line}\n`)).toMatchObject({ kind: 'words', spoilt: [2], words: NO_WORDS })
})
