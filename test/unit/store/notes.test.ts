import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { firewallUseFile, openFirewallUse } from '../../../src/store/firewall-use.ts'
import { openSnatUse, snatUseFile } from '../../../src/store/snat-use.ts'
import { openSysctls, sysctlsFile } from '../../../src/store/sysctls.ts'
import { temporaryDirectory } from '../daemon/rig.ts'

const HERE = { bootId: 'boot-1', netns: '4026531840' }
const LATER = { ...HERE, bootId: 'boot-2' }

const NFT = { by: 'nftables', instance: 'blue' } as const
const IPTABLES = { by: 'iptables', instance: 'blue' } as const
const GREEN = { by: 'nftables', instance: 'green' } as const

describe('whether there are rules of ours in filters', () => {
  test('is known to the next process of the same boot, for each name of the instance, until they are gone', async () => {
    const directory = join(await temporaryDirectory(), 'state')
    const first = await openFirewallUse({ directory, place: HERE })
    expect([first.isInUse, first.instances]).toEqual([false, []])
    await first.begin('blue')
    await first.begin('blue')
    const second = await openFirewallUse({ directory, place: HERE })
    await second.begin('green')
    const third = await openFirewallUse({ directory, place: HERE })
    expect([third.isInUse, third.instances]).toEqual([true, ['blue', 'green']])
    expect((await openFirewallUse({ directory, place: LATER })).isInUse).toBe(false)
    await third.end()
    expect([third.isInUse, await readdir(directory)]).toEqual([false, []])
  })

  test('is supposed where the note cannot be understood', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, firewallUseFile(HERE)), '{"boot')
    const { isInUse, instances } = await openFirewallUse({ directory, place: HERE })
    expect([isInUse, instances]).toEqual([true, []])
  })
})

describe('whether source NAT is in use', () => {
  test('is known to the next process of the same boot, until it ends', async () => {
    const directory = join(await temporaryDirectory(), 'state')
    const first = await openSnatUse({ directory, place: HERE })
    expect(first.by).toBeUndefined()
    await first.begin({ by: 'iptables', instance: 'blue' })
    expect([first.by, first.former]).toEqual(['iptables', []])
    expect((await openSnatUse({ directory, place: HERE })).by).toBe('iptables')
    expect((await openSnatUse({ directory, place: LATER })).by).toBeUndefined()
    expect((await openSnatUse({ directory, place: { ...HERE, netns: '7' } })).by).toBeUndefined()
    await first.end()
    expect((await openSnatUse({ directory, place: HERE })).by).toBeUndefined()
    expect(await readdir(directory)).toEqual([])
  })

  test('is known of each table until it is gone, in whatever way and by whatever name it was made', async () => {
    const directory = await temporaryDirectory()
    const reopened = () => openSnatUse({ directory, place: HERE })
    const use = await reopened()
    for (const table of [NFT, NFT, IPTABLES, GREEN]) await use.begin(table)
    expect([(await reopened()).by, (await reopened()).former]).toEqual(['nftables', [NFT, IPTABLES]])
    // One comes back.
    await use.begin(NFT)
    expect((await reopened()).former).toEqual([IPTABLES, GREEN])
    await use.gone(IPTABLES)
    await use.gone(IPTABLES)
    expect((await reopened()).former).toEqual([GREEN])
    await use.end()
    expect([use.former, (await reopened()).former]).toEqual([[], []])
  })

  test('of an earlier version is taken for that of the same name', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, snatUseFile(HERE)), JSON.stringify({ bootId: HERE.bootId, by: 'nftables' }))
    const same = await openSnatUse({ directory, place: HERE })
    await same.begin(NFT)
    expect([same.by, same.former]).toEqual(['nftables', []])
    await writeFile(join(directory, snatUseFile(HERE)), JSON.stringify({ bootId: HERE.bootId, by: 'iptables', former: [7, {}] }))
    const other = await openSnatUse({ directory, place: HERE })
    await other.begin(NFT)
    expect([other.by, other.former]).toEqual(['nftables', [IPTABLES]])
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
    await expect(use.begin(NFT)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
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
