import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { SourceEvent } from '../../src/model/source-event.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { key, numbers, spec } from '../unit/pipeline/makers.ts'
import { Listener, pause, scratchDirectory } from './scratch.ts'

const open = openSourceWith({ watch: { settle: 40, poll: 3_600_000 } })

function reading(path: string) {
  const listener = new Listener(open({ kind: 'file', path }, spec()))
  const says = (kind: SourceEvent['kind'], ...members: number[]) =>
    listener.until(
      (last) => last.kind === kind && (last.kind === 'pending' || sameText(numbers(last.set.backends), members.map(key).sort())),
      `${kind} ${members}`,
    )
  return { listener, says, kinds: () => listener.heard.map(({ kind }) => kind) }
}

function sameText(a: readonly string[], b: readonly string[]): boolean {
  return a.join() === b.join()
}

const list = (...members: number[]) => `${members.map((number) => `- ${key(number)}\n`).join('')}`

describe('a file source', () => {
  it('is pending at once, then fresh', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, list(1, 2))
    const { listener, says } = reading(path)
    expect(listener.heard).toEqual([{ kind: 'pending' }])
    expect(await says('fresh', 1, 2)).toMatchObject({ set: { origin: `file ${path}`, trust: 'fresh' } })
  })

  it('reads YAML and JSON with weights, and confirms an equal set written differently by the same map', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, `backends:\n  - { address: ${key(1)}, weight: 5 }\n  - address: ${key(2)}\n`)
    const { listener, says, kinds } = reading(path)
    const event = await says('fresh', 1, 2)
    expect(event.kind === 'fresh' && [...event.set.backends.values()].map(({ weight }) => weight)).toEqual([5, undefined])
    await writeFile(path, JSON.stringify([{ address: key(2) }, { address: key(1), weight: 5 }]))
    const again = await listener.until((last) => last !== event, 'a confirmation')
    expect(again.kind === 'fresh' && event.kind === 'fresh' && again.set.backends === event.set.backends).toBe(true)
    expect(again.kind === 'fresh' && event.kind === 'fresh' && again.set.at > event.set.at).toBe(true)
    await writeFile(path, JSON.stringify([{ address: key(1), weight: 0 }]))
    await says('fresh', 1)
    expect(kinds()).toEqual(['pending', 'fresh', 'fresh', 'fresh'])
  })

  it('confirms at every regular look what has not changed, and nothing while the file is bad', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, list(1))
    const often = openSourceWith({ watch: { settle: 10, poll: 50 } })
    const listener = new Listener(often({ kind: 'file', path }, spec()))
    const first = await listener.until((last) => last.kind === 'fresh', 'an answer')
    const later = await listener.until(() => listener.heard.length > 4, 'three confirmations')
    expect(first.kind === 'fresh' && later.kind === 'fresh' && later.set.backends === first.set.backends).toBe(true)
    expect(first.kind === 'fresh' && later.kind === 'fresh' && later.set.at - first.set.at >= 100).toBe(true)
    await writeFile(path, 'half: [')
    await listener.until((last) => last.kind === 'stale', 'an outage')
    const heard = listener.heard.length
    await pause(200)
    expect(listener.heard).toHaveLength(heard)
  })

  it('takes an empty list for an answer, and an empty file for a half-written one', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, list(1))
    const { says } = reading(path)
    await says('fresh', 1)
    await writeFile(path, '')
    await says('stale', 1)
    await writeFile(path, '[]')
    await says('fresh')
  })

  it('keeps the last good list while the file is half-written, and says where it breaks off', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, list(1, 2))
    const { says } = reading(path)
    await says('fresh', 1, 2)
    await writeFile(path, `- ${key(1)}\n- ${key(2)}\n- { address: 10.1.0`)
    expect(await says('stale', 1, 2)).toMatchObject({
      failure: { code: 'SOURCE_INVALID', message: expect.stringMatching(/web\.yaml:\d+:\d+: .+/) },
      set: { trust: 'stale' },
    })
    await writeFile(path, list(1, 2, 3))
    await says('fresh', 1, 2, 3)
  })

  it('takes deletion of the file or its directory for an outage, not for an empty list', async () => {
    const root = await scratchDirectory()
    const path = join(root, 'lists', 'web.yaml')
    await mkdir(join(root, 'lists'))
    await writeFile(path, list(1, 2))
    const { says } = reading(path)
    await says('fresh', 1, 2)
    await rm(path)
    expect(await says('stale', 1, 2)).toMatchObject({
      failure: { code: 'SOURCE_UNREADABLE', message: expect.stringContaining('there is no such file') },
    })
    await writeFile(`${path}.new`, list(1, 2))
    await rename(`${path}.new`, path)
    await says('fresh', 1, 2)
    await rm(join(root, 'lists'), { recursive: true })
    await says('stale', 1, 2)
    await mkdir(join(root, 'lists'))
    await writeFile(path, list(3))
    await says('fresh', 3)
  })

  it('stays pending, with the reason, while there never was a good list', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    const { listener, says } = reading(path)
    await listener.until((last) => last.kind === 'pending' && last.failure?.code === 'SOURCE_UNREADABLE', 'the reason')
    await writeFile(path, '- 10.1.0.1:http\n')
    await listener.until((last) => last.kind === 'pending' && last.failure?.code === 'SOURCE_INVALID', 'the other reason')
    await writeFile(path, list(1))
    await says('fresh', 1)
  })

  it('tells what is odd about a list that is good all the same', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, list(1))
    const odd: string[] = []
    const service = spec({ identity: { kind: 'fwmark', fwmark: 7, family: 'ipv4' }, forwarding: { method: 'direct' } })
    const telling = openSourceWith({
      onWarnings: (source, { name }, warnings) => odd.push(`${source} ${name} ${warnings.map(({ path: at }) => at)}`),
    })
    const listener = new Listener(telling({ kind: 'file', path }, service))
    await listener.until(({ kind }) => kind === 'fresh', 'the list')
    expect(odd).toEqual([`file ${path} web [0]`])
  })

  it.each([
    ['binary', () => randomBytes(64 * 1024), 'SOURCE_INVALID'],
    ['full of zeros', () => Buffer.alloc(4096), 'SOURCE_INVALID'],
    ['50 MB large', () => Buffer.alloc(50 * 1024 * 1024, `- ${key(1)}\n`), 'SOURCE_UNREADABLE'],
    ['indented by tabs', () => Buffer.from(`backends:\n\t- ${key(1)}\n`), 'SOURCE_INVALID'],
    ['a configuration instead of a list', () => Buffer.from('services: []\n'), 'SOURCE_INVALID'],
    ['naming a member twice', () => Buffer.from(list(3, 3)), 'SOURCE_INVALID'],
  ])('keeps the last good list when the file is %s', async (_, content, code) => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, list(1, 2))
    const { says } = reading(path)
    await says('fresh', 1, 2)
    await writeFile(path, content())
    expect(await says('stale', 1, 2)).toMatchObject({ failure: { code, message: expect.stringContaining(path) } })
    await writeFile(path, list(2))
    await says('fresh', 2)
  })
})
