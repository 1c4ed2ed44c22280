import { describe, expect, test } from 'vitest'
import { restoreSysctls, setSysctls } from '../../../src/daemon/managed-sysctls.ts'
import { PointsmanError } from '../../../src/errors.ts'
import { loggerTo } from '../../../src/log.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { openSysctls } from '../../../src/store/sysctls.ts'
import { spec } from '../pipeline/makers.ts'
import { FakeHost } from './fake-host.ts'
import { temporaryDirectory } from './rig.ts'

const TRANSLATED = spec({ fullNat: true })

async function rig(sysctls: Record<string, number>) {
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
    set: (...services: ServiceSpec[]) => setSysctls(services, { host, store, logger }),
    restore: () => restoreSysctls({ host, store, logger }),
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

  test('are put back by a later process, and were what they were before the first', async () => {
    const { host, set, restore, restart } = await rig(NEEDED)
    await set(TRANSLATED)
    await restart()
    host.sysctls.set('net.ipv4.ip_forward', 0)
    await set(TRANSLATED)
    expect(host.sysctls.get('net.ipv4.ip_forward')).toBe(1)
    await restart()
    await restore()
    expect(Object.fromEntries(host.sysctls)).toMatchObject(NEEDED)
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
