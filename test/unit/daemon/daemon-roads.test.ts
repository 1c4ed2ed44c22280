import { describe, expect, test } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key, virtual } from '../../support/desired.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const ONE = key('10.0.1.1:8080')
const road = (mark: number) => serviceKey(identity(`fwmark/${mark}/ipv4`))
const GLOBAL = 'probe_marks: { from: 100, to: 109 }\nprobe_source: [127.0.0.1]\nresync_interval: 1s'
const web = (check: string) =>
  `\n  - { name: web, listen: 10.0.0.1:80, health_check: ${check}, backends: [{ address: 10.0.1.1:8080, weight: 5 }] }`
const THROUGH = web('{ via: vip, interval: 100ms }')
const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 8_000 })
const weightOf = ({ host }: DaemonRig, mark: number) => host.kernel.destination(road(mark), ONE)?.weight

describe('probes through the virtual address', () => {
  test('have services that nobody is shown, and go to the address of their service', async () => {
    const host = new FakeHost()
    host.kernel.tamper({ kind: 'add-service', service: virtual('fwmark/100/ipv4') })
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, THROUGH, GLOBAL), { host })
    await until(() => weightOf(rig, 101)).toBe(1)
    await until(() => host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    await until(() => host.probed.includes('10.0.0.1:80')).toBe(true)
    expect(host.probed).not.toContain('10.0.1.1:8080')
    expect((await rig.fetch('/metrics')).text).not.toContain('fwmark/')
    expect(rig.log.filter(({ msg }) => msg.includes('probe of'))).toEqual([])
    expect(host.kernel.destination(road(100), ONE)).toBeUndefined()
    await rig.stop()
    await rig.ended
  })

  test('take another mark when a rule appears, and go when nobody is asked this way', async () => {
    const rig = await startDaemon((directory, port) => yamlOf(directory, port, THROUGH, GLOBAL))
    await until(() => weightOf(rig, 100)).toBe(1)
    rig.host.ruleMarks = [{ mark: 100, mask: 0xffffffff }]
    await until(() => weightOf(rig, 101)).toBe(1)
    await until(() => weightOf(rig, 100)).toBeUndefined()
    await until(() => rig.host.probed.length > 0).toBe(true)
    await rig.reconfigure(yamlOf(rig.directory, 0, web('{ interval: 100ms }'), GLOBAL).replace(/ {2}admin: .*\n/, ''))
    await until(() => weightOf(rig, 101)).toBeUndefined()
    expect(rig.host.kernel.destination(WEB, ONE)?.weight).toBe(5)
    await rig.stop()
    await rig.ended
  })
})
