/** The address sink on a stock kernel, which has dummies: a bridge, a client and another host; `ip` and the neighbours are the witnesses. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { AddressFacts, AddressReport } from '../../src/sinks/addresses/address-sink.ts'
import { inCheckout, type Lab } from '../lab/lab.ts'
import type { LabProcess } from '../lab/process.ts'
import { sharedLab } from '../lab/shared.ts'
import { until } from '../support/addresses/link-of-four.ts'
import { type Command, PORT, type WantedLine } from '../support/addresses/played-director.ts'

const SWITCH = 'vips-switch'
const HOSTS = { director: 1, client: 2, other: 3 } as const
type Host = keyof typeof HOSTS

const VIP = '10.77.0.50'
const VIP6 = '2001:db8:77::50'
const FAR = '192.0.2.50'
const ALL: readonly WantedLine[] = [VIP, `[${VIP6}]`, FAR].map((address) => ({ key: `tcp/${address}:80` }))
const EVERYWHERE = [`${VIP} eth0`, `${VIP6} eth0`, `${FAR} pointsman`].sort()
/** An emulated machine takes its time. */
const PATIENCE = 120_000

let lab: Lab
let program: string
let directory: string
let running: LabProcess | undefined
/** Modules of tunnels that others have loaded bring links of their own into every namespace. */
let links: readonly string[]

beforeAll(async () => {
  lab = await sharedLab()
  program = await lab.installScript(inCheckout('test/support/addresses/played-director.ts'))
  await lab.check('modprobe -a bridge veth dummy')
  await lab.check(`ip netns add ${SWITCH} && ip -n ${SWITCH} link add br0 type bridge && ip -n ${SWITCH} link set br0 up`)
})
afterAll(async () => {
  await lab.check(`ip netns del ${SWITCH}`)
  await lab.close()
})

beforeEach(async () => {
  directory = (await lab.check('mktemp -d')).trim()
  for (const [host, number] of Object.entries(HOSTS)) {
    const netns = `vips-${host}`
    await lab.check(`ip netns add ${netns} && ip -n ${SWITCH} link add ${host} type veth peer name eth0 netns ${netns}`)
    await lab.check(`ip -n ${SWITCH} link set ${host} master br0 up`)
    await on(host as Host, 'ip link set lo up; ip link set eth0 up')
    await on(host as Host, `ip addr add 10.77.0.${number}/24 dev eth0; ip addr add 2001:db8:77::${number}/64 dev eth0 nodad`)
  }
  links = await linksOf('director')
})
afterEach(async () => {
  running?.kill('SIGKILL')
  await running?.exited
  running = undefined
  for (const host of Object.keys(HOSTS)) await lab.check(`ip netns del vips-${host}`)
  await lab.check(`for port in ${Object.keys(HOSTS).join(' ')}; do ip -n ${SWITCH} link del $port 2>/dev/null; done; true`)
})

const on = (host: Host, command: string) => lab.check(command, { netns: `vips-${host}` })
const jsonOn = async <T>(host: Host, command: string) => JSON.parse((await on(host, command)).trim() || '[]') as T

function startDirector(failpoint = ''): LabProcess {
  const env = { POINTSMAN_FAILPOINT: failpoint }
  running = lab.spawn(['node', program, directory], { netns: 'vips-director', env, keepInput: true })
  return running
}

function say(director: LabProcess, command: Command): void {
  director.write(`${JSON.stringify(command)}\n`)
}

const want = (director: LabProcess, services: readonly WantedLine[]) => say(director, { do: 'want', services })

/** What the last pass of a director said. */
function lastPass(director: LabProcess): { readonly report: AddressReport; readonly facts: AddressFacts } | undefined {
  const [last] = director.stdout
    .split('\n')
    .filter((line) => line.startsWith('{"report"'))
    .slice(-1)
  return last === undefined ? undefined : JSON.parse(last)
}

async function virtualAddresses(): Promise<string[]> {
  interface Listed {
    readonly ifname: string
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly family: string }[]
  }
  const listed = await jsonOn<Listed[]>('director', 'ip -j addr show')
  const host = (family: string) => (family === 'inet' ? 32 : 128)
  return listed
    .flatMap(({ ifname, addr_info }) =>
      addr_info.filter(({ family, prefixlen }) => prefixlen === host(family)).map(({ local }) => `${local} ${ifname}`),
    )
    .filter((text) => text !== '::1 lo')
    .sort()
}

async function expectAddresses(expected: readonly string[]): Promise<void> {
  expect(await until(virtualAddresses, (found) => found.join() === expected.join(), PATIENCE)).toEqual(expected)
}

const linksOf = async (host: Host) => (await jsonOn<{ ifname: string }[]>(host, 'ip -j link show')).map(({ ifname }) => ifname)

async function hardwareAddress(host: Host): Promise<string | undefined> {
  return (await jsonOn<{ address: string }[]>(host, 'ip -j link show dev eth0'))[0]?.address
}

/** Who the client believes to hold the addresses. */
function tableOfClient(): Promise<(string | undefined)[]> {
  const lookUp = (address: string) => jsonOn<{ lladdr?: string }[]>('client', `ip -j neigh show ${address} dev eth0`)
  return Promise.all([VIP, VIP6].map(async (address) => (await lookUp(address))[0]?.lladdr))
}

const ask = (address: string) => lab.run(`curl -sg -m 20 http://${address}:${PORT}/`, { netns: 'vips-client' })

it('addresses go to the interface of their network or to a dummy of our own, are reached, and nothing of them stays', async () => {
  const director = startDirector()
  want(director, ALL)
  await expectAddresses(EVERYWHERE)
  for (const address of [VIP, `[${VIP6}]`]) expect((await ask(address)).stdout).toBe('director')
  expect(await on('director', 'ip -d link show dev pointsman')).toMatch(/UP.*\n.*\n? *dummy/)
  const source = await on('director', 'ip -6 route get 2001:db8:77::2; ip route get 10.77.0.2')
  expect([source.includes('src 2001:db8:77::1 '), source.includes('src 10.77.0.1 ')]).toEqual([true, true])
  say(director, { do: 'remove' })
  expect((await director.exited).code).toBe(0)
  await expectAddresses([])
  expect(await linksOf('director')).toEqual(links)
})

it('the client follows an address that moves, without a question of its own', async () => {
  const theirs = await hardwareAddress('other')
  await on('other', `ip addr add ${VIP}/32 dev eth0; ip addr add ${VIP6}/128 dev eth0 nodad`)
  for (const address of [VIP, `[${VIP6}]`]) await ask(address)
  expect(await tableOfClient()).toEqual([theirs, theirs])

  const director = startDirector()
  want(director, ALL)
  const refused = await until(
    async () => lastPass(director)?.report.failed ?? [],
    (failed) => failed.length === 2,
    PATIENCE,
  )
  expect(refused.map(({ code, object }) => `${code} ${object}`).sort()).toEqual([
    `ADDRESS_CONFLICT ${VIP}`,
    `ADDRESS_CONFLICT ${VIP6}`,
  ])
  expect(refused.every(({ message }) => message.includes(theirs ?? 'none'))).toBe(true)
  await expectAddresses([`${FAR} pointsman`])

  await on('other', `ip addr del ${VIP}/32 dev eth0; ip addr del ${VIP6}/128 dev eth0`)
  await expectAddresses(EVERYWHERE)
  const ours = await hardwareAddress('director')
  expect(await until(tableOfClient, (found) => found.every((one) => one === ours), PATIENCE)).toEqual([ours, ours])
})

it('what somebody takes away comes back: an address, and the dummy with what is on it', async () => {
  const director = startDirector()
  want(director, ALL)
  await expectAddresses(EVERYWHERE)
  await on('director', `ip addr del ${VIP}/32 dev eth0; ip addr del ${VIP6}/128 dev eth0; ip link del pointsman`)
  expect(
    await until(
      async () => lastPass(director)?.facts.repairs,
      (repairs = 0) => repairs >= 2,
      PATIENCE,
    ),
    // One that is taken while another is being put back may be found missing by the same pass that asks for it anyway.
  ).toBeGreaterThanOrEqual(2)
  await expectAddresses(EVERYWHERE)
})

it('a process that was killed leaves nothing that the next one does not know', async () => {
  await on('director', 'ip addr add 10.77.0.60/32 dev eth0')
  const wanted = [...ALL, { key: 'tcp/10.77.0.60:80' }]
  for (const failpoint of ['addresses.after-intent-record', 'addresses.after-additions']) {
    const killed = startDirector(failpoint)
    want(killed, wanted)
    expect((await killed.exited).signal).toBe('SIGKILL')
    const next = startDirector()
    want(next, wanted)
    await expectAddresses(['10.77.0.60 eth0', ...EVERYWHERE].sort())
    say(next, { do: 'remove' })
    expect((await next.exited).code).toBe(0)
    await expectAddresses(['10.77.0.60 eth0'])
    expect(await linksOf('director')).toEqual(links)
  }
})
