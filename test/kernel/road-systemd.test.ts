/**
 * The Debian package, installed by dpkg under a real systemd, on a kernel with IPVS: the unit as it is shipped, with its user, its two
 * capabilities and its sandbox, does all that a director does, and no restart of whatever kind costs a request or a write.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Host, type Topology } from '../lab/topology.ts'
import { startTraffic } from '../lab/traffic/traffic.ts'
import { configurationWith, HELD, LASTING_FLOW, prepare, SNAT, sourcesOf, tableWith, VIP } from './support/full-nat-director.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { PACKAGE, SystemdMachine } from './support/systemd-machine.ts'
import { readTable, tableLines } from './support/table.ts'

const configuration = configurationWith({ manage_sysctls: true })

const TABLE = tableLines(tableWith(1))

const CONFIGURATION = '/etc/pointsman/pointsman.yaml'
const DROP_INS = '/run/systemd/system/pointsman.service.d'
/** Short connections through each restart, few at a time: the daemon that starts meanwhile has the processor to itself, or nearly. */
const ENOUGH = 100

let lab: Lab
let net: Topology
let machine: SystemdMachine
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'systemd', kind: 'routed', realServers: 2 }))
  await prepare(lab, net, 'net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.conntrack=0')
  machine = parts.use(await SystemdMachine.boot(lab, net.director))
  await machine.check('systemctl log-target journal')
  // The one thing that is not as it is shipped: an emulated processor of a busy host may need more than two minutes for a start.
  await machine.check(`mkdir -p ${DROP_INS}; printf '[Service]\\nTimeoutStartSec=10min\\n' >${DROP_INS}/emulated.conf`)
})
afterAll(() => parts.disposeAsync())

const table = () => readTable(lab, { netns: net.director.netns })
const sysctl = async (name: string) => (await net.check(net.director, ['sysctl', '-n', name])).trim()

const askDns = (client: Host, localPort: number, patience: number) => sourcesOf(lab, client, localPort, patience)

async function status(pid: string, field: string): Promise<string> {
  const text = await machine.check(`cat /proc/${pid}/status`)
  return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? ''
}

describe('dpkg', () => {
  it('installs it, sets its sysctls, and starts it as a user with two capabilities in its sandbox', async () => {
    await machine.check(`dpkg --force-unsafe-io --no-triggers -i ${PACKAGE}`)
    const unit = await machine.unit(
      'Type',
      'ActiveState',
      'SubState',
      'User',
      'NRestarts',
      'WatchdogUSec',
      'UnitFileState',
      'MainPID',
    )
    expect(unit).toMatchObject({
      Type: 'notify',
      ActiveState: 'active',
      SubState: 'running',
      User: 'pointsman',
      NRestarts: '0',
      WatchdogUSec: '1min',
      UnitFileState: 'enabled',
    })
    const { MainPID } = unit
    // Bits 12 and 13: CAP_NET_ADMIN, CAP_NET_RAW; a filter of system calls.
    expect(await status(MainPID, 'CapEff')).toBe('0000000000003000')
    expect(await status(MainPID, 'CapBnd')).toBe('0000000000003000')
    expect(await status(MainPID, 'NoNewPrivs')).toBe('1')
    expect(await status(MainPID, 'Seccomp')).toBe('2')
    expect(await status(MainPID, 'Uid')).not.toMatch(/^0\b/)
    expect(await sysctl('net.ipv4.vs.expire_nodest_conn')).toBe('1')
    expect(await table()).toEqual([])
  })
})

describe('systemctl reload', () => {
  it('has the unit program IPVS, source NAT, an address and sysctls, and serve its socket', async () => {
    await machine.check(`cat >${CONFIGURATION}`, { input: configuration })
    // So it tells its journal what it is told.
    await machine.check('systemctl log-level debug; systemctl reload pointsman.service')
    await expect.poll(table, { timeout: 30_000, interval: 300 }).toEqual(TABLE)
    await expect.poll(() => net.check(net.director, `ip -o addr show to ${VIP}`), { timeout: 30_000 }).toContain('eth0')
    expect(await net.check(net.director, 'nft list tables')).toContain('table inet pointsman')
    expect(await sysctl('net.ipv4.vs.conntrack')).toBe('1')
    // The servers have no way back but to the director.
    expect(await askDns(net.client, 5_300, 8_000)).toEqual([SNAT])
    expect(await machine.check('pointsman status')).toMatch(/web.*dns/s)
    expect(await machine.check('stat -c "%U %a" /var/lib/pointsman; ls /var/lib/pointsman')).toMatch(
      /^pointsman 750\n.*ownership-/s,
    )
    const asNobody = await machine.run('setpriv --reuid 65534 --regid 65534 --clear-groups pointsman status')
    expect(asNobody.code).not.toBe(0)
  })

  it('tells systemd of it: reloading, ready again, signs of life, and what was done last', async () => {
    const wanted = ['RELOADING=1, MONOTONIC_USEC=', 'READY=1, STATUS=2 services', 'WATCHDOG=1, STATUS=']
    const heard = async () => {
      const told = await machine.told()
      const since = told.slice(told.findIndex((message) => message.startsWith('RELOADING=1')))
      return wanted.filter((words) => since.some((message) => message.startsWith(words)))
    }
    await expect.poll(heard, { timeout: 120_000, interval: 2_000 }).toEqual(wanted)
    await machine.check('systemctl log-level info')
    expect((await machine.unit('StatusText')).StatusText).toMatch(/2 services/)
  })

  it('is refused for a file that is not valid, with the reason in the journal, and the daemon goes on', async () => {
    const { MainPID } = await machine.unit('MainPID')
    await machine.check(`echo 'services: 7' >${CONFIGURATION}`)
    expect((await machine.run('systemctl reload pointsman.service')).code).not.toBe(0)
    expect(await machine.check('journalctl --quiet --unit=pointsman.service --output=cat --lines=40')).toContain(
      'write a list of services',
    )
    expect(await table()).toEqual(TABLE)
    await machine.check(`cat >${CONFIGURATION}`, { input: configuration })
    await machine.check('systemctl reload pointsman.service')
    expect(await machine.unit('ActiveState', 'MainPID')).toEqual({ ActiveState: 'active', MainPID })
  })
})

describe('no request fails and nothing is written to IPVS', { retry: 0, timeout: 600_000 }, () => {
  it('through a restart, a main process killed, and an upgrade', async () => {
    const traffic = await startTraffic(lab, net.client, [LASTING_FLOW], 1_200)
    await traffic.attempts(ENOUGH)
    const monitor = await NetlinkMonitor.start(lab, net.director.netns)
    const through = async (name: string, harm: string) => {
      await traffic.mark(name)
      await machine.replaced(harm)
      await traffic.attempts(ENOUGH)
      expect(await table(), name).toEqual(TABLE)
    }

    await through('restart', 'systemctl restart pointsman.service')
    await through('killed', 'systemctl kill --kill-who=main --signal=SIGKILL pointsman.service')
    expect(await machine.unit('NRestarts', 'Result')).toEqual({ NRestarts: '1', Result: 'success' })
    await through('upgrade', `dpkg --force-unsafe-io --force-confold --no-triggers -i ${PACKAGE}`)

    expect(await monitor.writes()).toEqual([])
    const [web] = (await traffic.stop()).flows
    expect(web).toMatchObject({ failures: 0, failuresByKind: {}, firstFailures: [] })
    expect(web?.held).toMatchObject({ opened: HELD, alive: HELD, lost: 0 })
    expect(Object.keys(web?.servers ?? {}).toSorted()).toEqual(['rs1', 'rs2'])
  })
})

describe('in its sandbox the daemon', () => {
  it('mends what others take away, conntrack entries without translation included', async () => {
    const { MainPID } = await machine.unit('MainPID')
    await machine.check(`kill -STOP ${MainPID}`)
    await net.check(net.director, 'nft flush ruleset')
    // From now on the flow has an entry without translation, which rules that come later do not change.
    expect(await askDns(net.client, 5_301, 2_000)).toEqual(['none'])
    await net.check(net.director, `ip addr del ${VIP}/32 dev eth0`)
    await machine.check(`kill -CONT ${MainPID}`)
    await expect.poll(() => net.check(net.director, `ip -o addr show to ${VIP}`), { timeout: 30_000 }).toContain('eth0')
    await expect.poll(() => askDns(net.client, 5_301, 2_000), { timeout: 30_000 }).toEqual([SNAT])
  })

  it('is started again by its watchdog when it hangs', async () => {
    await machine.check(`printf '[Service]\\nWatchdogSec=20s\\n' >${DROP_INS}/watchdog.conf; systemctl daemon-reload`)
    await machine.replaced('systemctl restart pointsman.service')
    await machine.replaced('systemctl kill --kill-who=main --signal=SIGSTOP pointsman.service')
    expect(await machine.check('journalctl --quiet --unit=pointsman.service --output=cat')).toContain('Watchdog timeout')
    expect(await table()).toEqual(TABLE)
  })

  it('says nothing of a right that it lacks', async () => {
    const log = await machine.check('journalctl --quiet --unit=pointsman.service --output=cat')
    expect(log.split('\n').filter((line) => /EPERM|EACCES|not permitted|permission denied/i.test(line))).toEqual([])
  })
})

describe('systemctl stop', () => {
  it('leaves the table, and the clients, as they are', async () => {
    await machine.check('systemctl stop pointsman.service')
    expect(await machine.unit('ActiveState', 'Result')).toEqual({ ActiveState: 'inactive', Result: 'success' })
    expect(await table()).toEqual(TABLE)
    expect(await askDns(net.client, 5_302, 8_000)).toEqual([SNAT])
  })
})
