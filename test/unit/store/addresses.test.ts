import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { IpAddress } from '../../../src/model/address.ts'
import type { ServiceKey } from '../../../src/model/virtual-service.ts'
import { addressHeader, addressLine } from '../../../src/store/address-file.ts'
import { type AddressEdit, addressesFile, openAddresses } from '../../../src/store/addresses.ts'

const place = { bootId: 'boot-1', netns: '4026531840' }
const VIP: AddressEdit = {
  do: 'own-address',
  address: '10.0.0.50' as IpAddress,
  link: 3,
  linkName: 'eth0',
  services: ['tcp/10.0.0.50:80' as ServiceKey],
}
const { do: _, ...OWNED } = VIP
const LINK: AddressEdit = { do: 'own-link', name: 'pointsman' }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-addresses-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = () => join(directory, addressesFile(place))
const open = (more: Partial<Parameters<typeof openAddresses>[0]> = {}) => openAddresses({ directory, place, ...more })

it('what is ours survives, and what is forgotten does not', async () => {
  const store = await open()
  expect(store.origin).toEqual({ kind: 'none' })
  await store.write([VIP, LINK])
  const again = await open()
  expect([again.origin, [...again.record.addresses], [...again.record.links]]).toEqual([
    { kind: 'loaded' },
    [['10.0.0.50 3', OWNED]],
    ['pointsman'],
  ])
  await again.write([{ do: 'forget-address', address: OWNED.address, link: 4 }])
  expect(again.record.addresses.size).toBe(1)
  await again.write([
    { do: 'forget-address', address: OWNED.address, link: 3 },
    { do: 'forget-link', name: 'pointsman' },
  ])
  const last = await open()
  expect([last.record.addresses.size, last.record.links.size]).toEqual([0, 0])
})

it('lines are appended, and nothing is written for nothing', async () => {
  const store = await open()
  await store.write([])
  expect(await readdir(directory)).toEqual([])
  await store.write([VIP])
  const before = await readFile(file(), 'utf8')
  await (await open()).write([LINK])
  expect(await readFile(file(), 'utf8')).toBe(before + addressLine(LINK))
})

it.each([
  ['other-boot', { ...place, bootId: 'boot-2' }],
  ['other-namespace', { ...place, netns: '7' }],
])('a record of %s counts for nothing', async (kind, other) => {
  await writeFile(file(), addressHeader(other) + addressLine(VIP))
  const store = await open()
  expect([store.origin, store.record.addresses.size]).toEqual([{ kind }, 0])
  await store.write([LINK])
  expect(await readFile(file(), 'utf8')).toBe(addressHeader(place) + addressLine(LINK))
})

it('an append that a crash cut off is left out, and the file is written anew', async () => {
  await writeFile(file(), addressHeader(place) + addressLine(VIP) + addressLine(LINK).slice(0, -4))
  const store = await open()
  expect([[...store.record.addresses.keys()], store.record.links.size]).toEqual([['10.0.0.50 3'], 0])
  await store.write([LINK])
  expect(await readFile(file(), 'utf8')).toBe(addressHeader(place) + addressLine(VIP) + addressLine(LINK))
})

it('an unreadable record is set aside, by who writes alone', async () => {
  await writeFile(file(), `${addressHeader(place)}{"do":"own-address"}\n`)
  const reason = 'line 2 is not an entry of a record of addresses'
  const reading = await open({ access: 'read' })
  expect(reading.origin).toEqual({ kind: 'corrupt', reason })
  await expect(reading.write([VIP])).rejects.toMatchObject({ code: 'INTERNAL' })
  const setAside = `${file()}.corrupt-1970-01-01T00-00-00.000Z`
  expect((await open({ now: () => 0 })).origin).toEqual({ kind: 'corrupt', reason, setAside })
  await writeFile(file(), 'nonsense\n')
  expect((await open()).origin).toMatchObject({ kind: 'corrupt', reason: 'line 1 is not the header of a record of addresses' })
})

it('a record of a later version is left as it is', async () => {
  await writeFile(file(), '{"version":2}')
  await expect(open()).rejects.toMatchObject({ code: 'STATE_NEWER' })
  expect(await readFile(file(), 'utf8')).toBe('{"version":2}')
})

it('what cannot be read or written is said, and is not in the record', async () => {
  const store = await open()
  await mkdir(file())
  await expect(store.write([VIP])).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
  expect(store.record.addresses.size).toBe(0)
  await expect(open()).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
  await rm(file(), { recursive: true })
  await store.write([VIP])
  expect((await open()).record.addresses.size).toBe(1)
})
