import { describe, expect, test } from 'vitest'
import { restoreSysctls, setSysctls } from '../../../src/daemon/managed-sysctls.ts'
import { sysctlAdvice } from '../../../src/daemon/sysctl-advice.ts'
import type { Machine } from '../../../src/daemon/useful-sysctls.ts'
import { PointsmanError } from '../../../src/errors.ts'
import { loggerTo } from '../../../src/log.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { openSysctls } from '../../../src/store/sysctls.ts'
import { identity, spec } from '../pipeline/makers.ts'
import { FakeHost } from './fake-host.ts'
import { temporaryDirectory } from './rig.ts'

const TRANSLATED = spec({ fullNat: true })

const MACHINE: Machine = { release: '6.1.0', memory: 2 ** 33, mayResize: () => true, links: () => ['all', 'eth0'] }

async function rig(sysctls: Record<string, number>, of: Partial<Machine> = {}) {
  const machine = { ...MACHINE, ...of }
  const directory = await temporaryDirectory()
  const host = new FakeHost()
  for (const [name, value] of Object.entries(sysctls)) host.sysctls.set(name, value)
  const lines: string[] = []
  const logger = loggerTo({ write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) }, 'info')
  const place = { bootId: 'boot', netns: '1' }
  let store = await openSysctls({ directory, place })
  return {
    host,
    lines,
    set: (...services: ServiceSpec[]) => setSysctls(services, { host, store, logger, machine }),
    setWhile: (mayWrite: () => boolean) => setSysctls([TRANSLATED], { host, store, logger, mayWrite }),
    restore: (allIsGone = true) => restoreSysctls(allIsGone, { host, store, logger }),
    noted: () => [...store.set.keys()],
    restart: async () => {
      store = await openSysctls({ directory, place })
    },
  }
}

const NEEDED = { 'net.ipv4.vs.conntrack': 0, 'net.ipv4.ip_forward': 0 }

describe('sysctls', () => {
  test('that a service with source NAT needs are set, and no others', async () => {
    const { host, lines, set } = await rig({
      ...NEEDED,
      'net.ipv6.conf.all.forwarding': 0,
      'net.ipv4.vs.expire_quiescent_template': 0,
    })
    await set(TRANSLATED)
    expect(Object.fromEntries(host.sysctls)).toMatchObject({
      'net.ipv4.vs.conntrack': 1,
      'net.ipv4.ip_forward': 1,
      'net.ipv6.conf.all.forwarding': 0,
      'net.ipv4.vs.expire_quiescent_template': 0,
    })
    expect(lines).toEqual([
      'net.ipv4.vs.conntrack is set from 0 to 1 (manage_sysctls)',
      'net.ipv4.ip_forward is set from 0 to 1 (manage_sysctls)',
    ])
  })

  test('are left alone by what was begun before a pause', async () => {
    const { host, lines, setWhile } = await rig(NEEDED)
    const setting = setWhile(() => lines.length === 0)
    await setting
    expect(Object.fromEntries(host.sysctls)).toMatchObject({ 'net.ipv4.vs.conntrack': 1, 'net.ipv4.ip_forward': 0 })
    expect(lines).toHaveLength(1)
  })

  test('are put back by a later process, and were what they were before the first', async () => {
    const { host, set, restore, restart, noted } = await rig(NEEDED)
    await set(TRANSLATED)
    await restart()
    host.sysctls.set('net.ipv4.vs.conntrack', 0)
    await set(TRANSLATED)
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(1)
    await restart()
    await restore()
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(0)
    expect(noted()).not.toContain('net.ipv4.vs.conntrack')
  })

  test('of forwarding stay on, for others may need it by now, and the log says how to set them back', async () => {
    const { host, lines, set, restore } = await rig({ 'net.ipv4.ip_forward': 0 })
    await set(TRANSLATED)
    await restore()
    expect(host.sysctls.get('net.ipv4.ip_forward')).toBe(1)
    expect(lines.at(-1)).toBe(
      'net.ipv4.ip_forward stays 1, because others may forward through this host by now: it was 0 before, "sysctl -w net.ipv4.ip_forward=0" sets it back',
    )
  })

  test('stay while something of ours stays, and are put back once it is gone', async () => {
    const { host, lines, set, restore, restart, noted } = await rig({ 'net.ipv4.vs.conntrack': 0 })
    await set(TRANSLATED)
    await restore(false)
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(1)
    expect(lines.at(-1)).toMatch(/conntrack stays 1, because not everything is out of the kernel: it was 0 before/)
    await restart()
    expect(noted()).toEqual(['net.ipv4.vs.conntrack'])
    await restore(true)
    expect([host.sysctls.get('net.ipv4.vs.conntrack'), noted()]).toEqual([0, []])
  })

  test('that cannot be put back stay noted for the next time', async () => {
    const { host, set, restore, restart, noted } = await rig({ 'net.ipv4.vs.conntrack': 0, 'net.ipv4.vs.expire_nodest_conn': 0 })
    await set(TRANSLATED)
    const write = host.writeSysctl.bind(host)
    host.writeSysctl = (name, value) => {
      if (name.endsWith('conntrack')) throw new PointsmanError('NO_PERMISSION', `${name} cannot be set.`)
      write(name, value)
    }
    await restore()
    await restart()
    expect([noted(), host.sysctls.get('net.ipv4.vs.expire_nodest_conn')]).toEqual([['net.ipv4.vs.conntrack'], 0])
  })

  test('of IPv6 forwarding are not set where the host would lose its default route', async () => {
    const { host, lines, set } = await rig({ 'net.ipv6.conf.all.forwarding': 0 })
    host.advertised = ['eth0']
    const ipv6 = spec({ identity: { ...identity(), address: '2001:db8::1' } as never })
    await set(ipv6)
    expect([host.sysctls.get('net.ipv6.conf.all.forwarding'), lines]).toEqual([0, []])
    expect(sysctlAdvice([ipv6], host)).toMatchObject([
      {
        cure: 'Set it with "sysctl -w net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.all.forwarding=1" and keep it in /etc/sysctl.d; without accept_ra=2 the host would lose the IPv6 default route that eth0 has from router advertisements.',
      },
    ])
    host.advertised = []
    await set(ipv6)
    expect(host.sysctls.get('net.ipv6.conf.all.forwarding')).toBe(1)
  })

  test('that somebody has set otherwise since are left as they are', async () => {
    const { host, set, restore } = await rig({ 'net.ipv4.vs.conntrack': 0 })
    await set(TRANSLATED)
    host.sysctls.set('net.ipv4.vs.conntrack', 2)
    await restore()
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(2)
  })

  test('that were right already are not ours to put back', async () => {
    const { host, set, restore } = await rig({ 'net.ipv4.vs.conntrack': 1 })
    await set(TRANSLATED)
    await restore()
    expect(host.sysctls.get('net.ipv4.vs.conntrack')).toBe(1)
  })

  test('that cannot be set are told, and the others are', async () => {
    const { host, lines, set } = await rig(NEEDED)
    const write = host.writeSysctl.bind(host)
    host.writeSysctl = (name, value) => {
      if (name.endsWith('conntrack')) throw new PointsmanError('NO_PERMISSION', `${name} cannot be set.`)
      write(name, value)
    }
    await set(TRANSLATED)
    expect(host.sysctls.get('net.ipv4.ip_forward')).toBe(1)
    expect(lines).toEqual(['net.ipv4.vs.conntrack cannot be set.', 'net.ipv4.ip_forward is set from 0 to 1 (manage_sysctls)'])
  })
})

const REUSE = 'net.ipv4.vs.conn_reuse_mode'
const ALL = 'net.ipv4.conf.all.rp_filter'
const MAX = 'net.netfilter.nf_conntrack_max'
const COUNT = 'net.netfilter.nf_conntrack_count'

describe('sysctls that services are better off with', () => {
  test('are set, and put back', async () => {
    const before = { [REUSE]: 0, [ALL]: 1, [MAX]: 1_000, [COUNT]: 900 }
    const { host, set, restore } = await rig(before)
    await set(TRANSLATED)
    expect(Object.fromEntries(host.sysctls)).toMatchObject({ [REUSE]: 1, [ALL]: 2, [MAX]: 2_000 })
    host.sysctls.set(COUNT, 10)
    await restore()
    expect(Object.fromEntries(host.sysctls)).toMatchObject({ ...before, [COUNT]: 10 })
  })

  test.each<[string, Record<string, number>, Partial<Machine>]>([
    ['ports are reused on a kernel that would delay them', { [REUSE]: 0, 'net.ipv4.vs.conntrack': 1 }, { release: '5.8.18' }],
    ['the reverse path is loose', { [ALL]: 2, 'net.ipv4.conf.eth0.rp_filter': 1 }, {}],
    ['it is not looked at', { [ALL]: 0, 'net.ipv4.conf.eth0.rp_filter': 0 }, {}],
    ['the connection table has room', { [MAX]: 1_000, [COUNT]: 800 }, {}],
    ['memory has room for no larger one', { [MAX]: 1_000, [COUNT]: 900 }, { memory: 1_000 * 320 * 16 }],
    ['it is that of the host of a container', { [MAX]: 1_000, [COUNT]: 900 }, { mayResize: () => false }],
  ])('stay as they are where %s', async (_, sysctls, machine) => {
    const { lines, set } = await rig(sysctls, machine)
    await set(TRANSLATED)
    expect(lines).toEqual([])
  })

  test('are loose for all interfaces where one is strict, and not for services of IPv6 or direct routing', async () => {
    const strict = { [ALL]: 0, 'net.ipv4.conf.eth0.rp_filter': 1 }
    const loosened = await rig(strict)
    await loosened.set(TRANSLATED)
    expect(loosened.host.sysctls.get(ALL)).toBe(2)
    const kept = await rig(strict)
    await kept.set(
      spec({ forwarding: { method: 'direct' } }),
      spec({ identity: { ...identity(), address: '2001:db8::1' } as never }),
    )
    expect(kept.lines).toEqual([])
  })

  test('are a table that grows with what is in it, as far as memory allows, and stays while it is full', async () => {
    const { host, lines, set, restore, restart } = await rig({ [MAX]: 1_000, [COUNT]: 900 }, { memory: 3_000 * 320 * 16 })
    await set(TRANSLATED)
    host.sysctls.set(COUNT, 1_900)
    await restart()
    await set(TRANSLATED)
    expect(host.sysctls.get(MAX)).toBe(3_000)
    await restore()
    expect(lines.at(-1)).toMatch(/nf_conntrack_max stays 3000, because 1900 connections are tracked: it was 1000 before/)
    host.sysctls.set(COUNT, 0)
    await restore()
    expect(host.sysctls.get(MAX)).toBe(1_000)
  })
})
