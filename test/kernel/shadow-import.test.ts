/** Coming from another tool: beside it as a shadow, and its table as a configuration. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lab, RunResult } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { configurationText, Daemon, freshDirectory, pointsman } from './support/pointsman.ts'
import { clearTable, expectTable, ipvsadm, readTable, restore, tableLines } from './support/table.ts'

const netns = 'migrate'
const parts = new AsyncDisposableStack()
let lab: Lab
let directory: string

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
})
afterAll(() => parts.disposeAsync())
beforeEach(async () => {
  directory = freshDirectory('migrate')
  await clearTable(lab, { netns })
})

describe('start --shadow', () => {
  const theirs = `
    virtual_server 10.9.0.1 80 {
        lb_algo wrr
        lb_kind NAT
        protocol TCP
        real_server 10.9.1.1 8080 { weight 5 }
        real_server 10.9.1.2 8080 { weight 3 }
    }
  `
  const table = `
    -A -t 10.9.0.1:80 -s wrr
    -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
    -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 3
  `
  const list = (first: number) =>
    JSON.stringify([
      { address: '10.9.1.1:8080', weight: first },
      { address: '10.9.1.3:8080', weight: 3 },
    ])
  const services = () => [
    { name: 'web', listen: '10.9.0.1:80', scheduler: 'wrr', source: { file: `${directory}/web.json` } },
    { name: 'dns', listen: '10.9.0.2:53', protocol: 'udp', scheduler: 'rr', backends: ['10.9.1.1:53'] },
  ]

  it('beside keepalived writes nothing, and tells what it would do and no longer would', async () => {
    await lab.writeFile(`${directory}/keepalived.conf`, theirs)
    await lab.writeFile(`${directory}/web.json`, list(7))
    const files = ['-p', `${directory}/k.pid`, '-c', `${directory}/kc.pid`, '-r', `${directory}/kv.pid`]
    const keepalived = lab.spawn(['keepalived', '-n', '-l', '-C', ...files, '-f', `${directory}/keepalived.conf`], { netns })
    await expect.poll(() => readTable(lab, { netns }), { timeout: 30_000 }).toEqual(tableLines(table))
    const monitor = await NetlinkMonitor.start(lab, netns)
    await using daemon = await Daemon.start(lab, directory, {
      netns,
      args: ['--shadow'],
      configuration: configurationText(directory, services()),
    })
    const would = () => daemon.log.flatMap(({ msg }) => (/^would(?: no longer)?: /.test(msg) ? [msg] : []))
    expect(
      would()
        .map((line) => line.replace(/ \(.*/, ''))
        .toSorted(),
    ).toEqual([
      'would: dns 10.9.1.1:53: absent -> weight 1, nat, thresholds 0/0',
      expect.stringMatching(/^would: dns: absent -> rr/),
      'would: web 10.9.1.1:8080: weight 5, nat, thresholds 0/0 -> weight 7, nat, thresholds 0/0',
      'would: web 10.9.1.3:8080: absent -> weight 3, nat, thresholds 0/0',
    ])
    const metrics = await daemon.metrics()
    const planned = (kind: string) => metrics.one('pointsman_shadow_changes', { kind })
    expect(['add-service', 'add-destination', 'edit-destination', 'delete-destination'].map(planned)).toEqual([1, 2, 1, 0])
    await daemon.fullPasses(2)
    expect(await monitor.writes()).toEqual([])
    await expectTable(lab, table, { netns })

    // The other one, or whoever administers it, comes to the same.
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 7', { netns })
    await daemon.waitForLog(({ msg }) => msg.startsWith('would no longer: web 10.9.1.1:8080: weight 5'))
    // Its source goes on.
    await lab.writeFile(`${directory}/web.json`, list(9))
    await daemon.waitForLog(({ msg }) => /^would: web 10\.9\.1\.1:8080: weight 7, .* -> weight 9, /.test(msg))
    expect(daemon.complaints()).toEqual([])
    expect(await lab.run(['test', '-e', `${directory}/state`])).toMatchObject({ code: 1 })

    const before = await readTable(lab, { netns })
    await daemon.stop('SIGTERM')
    expect(await readTable(lab, { netns })).toEqual(before)
    keepalived.kill('SIGTERM')
    await keepalived.exited
  })
})

describe('import ipvsadm', () => {
  /** One of each kind that ipvsadm can say. */
  const rich = `
    -A -t 10.9.0.1:80 -s wrr -p 300
    -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
    -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 0
    -A -u 10.9.0.2:53 -s rr -o
    -a -u 10.9.0.2:53 -r 10.9.1.3:53 -g -w 1
    -A -t 10.9.0.3:443 -s sh -b sh-port
    -a -t 10.9.0.3:443 -r 10.9.1.4:443 -i -w 2 --tun-type gue --tun-port 6080 --tun-nocsum
    -a -t 10.9.0.3:443 -r 10.9.1.5:443 -i -w 2 --tun-type ipip
    -A -f 7 -s wlc -p 60 -M 255.255.255.0
    -a -f 7 -r 10.9.1.6:0 -g -w 4
    -A -f 8 -6 -s lc
    -a -f 8 -6 -r [2001:db8:9:1::2]:0 -m -w 1
    -A -t [2001:db8:9::1]:80 -s mh -b mh-fallback
    -a -t [2001:db8:9::1]:80 -r [2001:db8:9:1::1]:80 -m -w 2
    -A --sctp-service 10.9.0.4:9899 -s sed
    -a --sctp-service 10.9.0.4:9899 -r 10.9.1.7:9899 -m -w 1
  `
  const run = (args: readonly string[]): Promise<RunResult> => pointsman(lab, args, { netns })

  const state = (): string[] => ['--state-dir', `${directory}/state`]

  beforeEach(() => restore(lab, rich, { netns }))

  it('of a saved table gives a configuration under which nothing changes', async () => {
    const file = `${directory}/saved.yaml`
    await lab.check(`mkdir -p ${directory} && ipvsadm -Sn > ${directory}/table`, { netns })
    expect(await run(['import', 'ipvsadm', `${directory}/table`, '-o', file])).toMatchObject({ code: 0 })
    expect(await run(['plan', '-c', file, ...state()])).toMatchObject({ code: 0 })
  })

  it('of the live table, thresholds too, and applied: nothing is written, and it is the configuration that counts', async () => {
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5 -x 100 -y 50', { netns })
    const before = await readTable(lab, { netns })
    const numbers = () => lab.check('ipvsadm -Ln --thresholds', { netns })
    const limits = await numbers()
    await lab.check(['mkdir', '-p', directory])
    const file = `${directory}/live.yaml`
    const monitor = await NetlinkMonitor.start(lab, netns)
    expect(await run(['import', 'ipvsadm', '-o', file])).toMatchObject({ code: 0 })
    expect(await run(['apply', '-f', file, ...state()])).toMatchObject({ code: 0 })
    expect(await monitor.writes()).toEqual([])
    expect(await readTable(lab, { netns })).toEqual(before)
    expect(await numbers()).toBe(limits)
    expect(limits).toMatch(/10\.9\.1\.1:8080 +100 +50/)
    expect(await run(['plan', '-c', file, ...state()])).toMatchObject({ code: 0 })
    await lab.check(['sed', '-i', 's/10.9.1.7:9899/10.9.1.8:9899/', file])
    expect(await run(['plan', '-c', file, ...state()])).toMatchObject({ code: 10 })
  })
})
