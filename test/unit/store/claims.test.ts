import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ClaimsStore, claimsFile, openClaims } from '../../../src/store/claims.ts'
import { claimLine, claimsHeader, parseClaims, type StoredClaim } from '../../../src/store/claims-file.ts'

const place = { bootId: 'boot-1', netns: '4026531840' }
const web: StoredClaim = { catalog: 'consul', service: 'web', words: { listen: '10.0.0.1:80' }, since: 5 }
const team: StoredClaim = { ...web, namespace: 'team-a', words: {}, goneSince: 9 }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-claims-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = () => join(directory, claimsFile(place))
const open = (more: Partial<Parameters<typeof openClaims>[0]> = {}) => openClaims({ directory, place, ...more })

async function close(store: ClaimsStore): Promise<void> {
  await store[Symbol.asyncDispose]()
}

describe('claims', () => {
  it('are none at first, and are given back until they are forgotten', async () => {
    const store = await open()
    expect(store.origin).toEqual({ kind: 'none' })
    store.put(web)
    store.put(team)
    await close(store)
    const again = await open()
    expect([again.origin, again.claims]).toEqual([{ kind: 'loaded' }, [web, team]])
    again.forget(web)
    again.put({ ...team, since: 6 })
    await close(again)
    expect((await open()).claims).toEqual([{ ...team, since: 6 }])
  })

  it('are appended one by one, and not at all when they say the same again', async () => {
    const store = await open()
    store.put(web)
    await store.flush()
    const before = await readFile(file(), 'utf8')
    store.put({ ...web })
    store.forget({ catalog: 'consul', service: 'nobody' })
    await store.flush()
    expect(await readFile(file(), 'utf8')).toBe(before)
    store.put(team)
    await store.flush()
    expect(await readFile(file(), 'utf8')).toBe(before + claimLine({ do: 'hold', claim: team }))
  })

  it('are taken over from a namespace whose daemon is gone', async () => {
    const store = await open({ place: { ...place, netns: '7' } })
    store.put(web)
    await close(store)
    expect((await open({ inUse: async () => true })).claims).toEqual([])
    const taken = await open({ inUse: async () => false })
    expect(taken.claims).toEqual([web])
    taken.put(team)
    await close(taken)
    expect(await readdir(directory)).toEqual([claimsFile(place)])
  })

  it('opened for reading change nothing', async () => {
    await writeFile(file(), 'nonsense')
    const store = await open({ access: 'read' })
    store.put(web)
    await close(store)
    expect(await readdir(directory)).toEqual([claimsFile(place)])
    expect(await readFile(file(), 'utf8')).toBe('nonsense')
  })

  it('that cannot be understood are set aside', async () => {
    await writeFile(file(), `${claimsHeader()}{"do":"hold"}\n`)
    const store = await open({ now: () => 0 })
    expect(store.origin).toEqual({
      kind: 'corrupt',
      reason: 'line 2 is no claim',
      setAside: `${file()}.corrupt-1970-01-01T00-00-00.000Z`,
    })
    expect(store.claims).toEqual([])
  })

  it('of a later version are left as they are', async () => {
    await writeFile(file(), '{"format":"pointsman-claims","version":2}\n')
    await expect(open()).rejects.toMatchObject({ code: 'STATE_NEWER' })
  })

  it('that cannot be written are told of once, and written when that is possible', async () => {
    const onFailure = vi.fn()
    const store = await open({ onFailure })
    await mkdir(file())
    store.put(web)
    await store.flush()
    await store.flush()
    expect(onFailure).toHaveBeenCalledTimes(1)
    expect(onFailure).toHaveBeenCalledWith(expect.objectContaining({ code: 'STATE_UNWRITABLE' }))
    await rm(file(), { recursive: true })
    await close(store)
    expect((await open()).claims).toEqual([web])
  })
})

it('an append that a crash cut off is left out', () => {
  const text = claimsHeader() + claimLine({ do: 'hold', claim: web }) + claimLine({ do: 'hold', claim: team }).slice(0, -5)
  expect(parseClaims(text)).toMatchObject({ torn: true, lines: 2, claims: new Map([[expect.any(String), web]]) })
})
