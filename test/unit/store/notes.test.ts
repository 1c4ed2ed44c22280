import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openSnatUse, snatUseFile } from '../../../src/store/snat-use.ts'
import { openSysctls, sysctlsFile } from '../../../src/store/sysctls.ts'
import { temporaryDirectory } from '../daemon/rig.ts'

const HERE = { bootId: 'boot-1', netns: '4026531840' }
const LATER = { ...HERE, bootId: 'boot-2' }

describe('whether source NAT is in use', () => {
  test('is known to the next process of the same boot, until it ends', async () => {
    const directory = join(await temporaryDirectory(), 'state')
    const first = await openSnatUse({ directory, place: HERE })
    expect(first.by).toBeUndefined()
    await first.begin('nftables')
    await first.begin('iptables')
    expect(first.by).toBe('iptables')
    expect((await openSnatUse({ directory, place: HERE })).by).toBe('iptables')
    expect((await openSnatUse({ directory, place: LATER })).by).toBeUndefined()
    expect((await openSnatUse({ directory, place: { ...HERE, netns: '7' } })).by).toBeUndefined()
    await first.end()
    expect((await openSnatUse({ directory, place: HERE })).by).toBeUndefined()
    expect(await readdir(directory)).toEqual([])
  })

  test('is supposed where the note cannot be understood', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, snatUseFile(HERE)), '{"boot')
    expect((await openSnatUse({ directory, place: HERE })).by).toBe('nftables')
  })

  test('that cannot be noted is refused', async () => {
    const directory = join(await temporaryDirectory(), 'state')
    await mkdir(join(directory, `${snatUseFile(HERE)}.new`), { recursive: true })
    const use = await openSnatUse({ directory, place: HERE })
    await expect(use.begin('nftables')).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
    expect(use.by).toBeUndefined()
  })
})

describe('what sysctls were', () => {
  const FORWARD = 'net.ipv4.ip_forward'

  test('is known to the next process of the same boot, until they are set back', async () => {
    const directory = await temporaryDirectory()
    const first = await openSysctls({ directory, place: HERE })
    await first.note(FORWARD, { before: 0, after: 1 })
    await first.note('net.ipv4.vs.conntrack', { before: 0, after: 1 })
    const second = await openSysctls({ directory, place: HERE })
    expect([...second.set]).toEqual([
      [FORWARD, { before: 0, after: 1 }],
      ['net.ipv4.vs.conntrack', { before: 0, after: 1 }],
    ])
    expect((await openSysctls({ directory, place: LATER })).set.size).toBe(0)
    await second.forget(['net.ipv4.vs.conntrack'])
    expect([...(await openSysctls({ directory, place: HERE })).set.keys()]).toEqual([FORWARD])
    await second.forget([FORWARD])
    expect(second.set.size).toBe(0)
    await expect(readFile(join(directory, sysctlsFile(HERE)))).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await openSysctls({ directory, place: HERE })).set.size).toBe(0)
  })

  test('is nothing where the note cannot be understood', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, sysctlsFile(HERE))
    for (const text of ['', '{"bootId":"boot-1","set":7}', '{"bootId":"boot-1","set":{"a":{"before":"0","after":1}}}']) {
      await writeFile(path, text)
      expect((await openSysctls({ directory, place: HERE })).set.size).toBe(0)
    }
  })

  test('that cannot be noted is not believed to be', async () => {
    const directory = join(await temporaryDirectory(), 'state')
    await mkdir(join(directory, `${sysctlsFile(HERE)}.new`), { recursive: true })
    const store = await openSysctls({ directory, place: HERE })
    await expect(store.note(FORWARD, { before: 0, after: 1 })).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
    expect(store.set.size).toBe(0)
    await expect(readFile(join(directory, sysctlsFile(HERE)))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
