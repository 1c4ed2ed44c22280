/** The commands that end by themselves, on a real table: plan, once, apply, get, doctor. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import { inCheckout, type Lab, type RunResult } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { NetlinkMonitor } from './support/netlink-monitor.ts'
import { freshDirectory, pointsman } from './support/pointsman.ts'
import { clearTable, expectTable, ipvsadm, readTable, restore, tableLines } from './support/table.ts'

const netns = 'commands'

const parts = new AsyncDisposableStack()
let lab: Lab
let directory: string

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
})
afterAll(() => parts.disposeAsync())

/** Each test has its own folder: the record of one must not speak to another. */
beforeEach(async () => {
  directory = freshDirectory('commands')
  await clearTable(lab, { netns })
})

const state = (): string[] => ['--state-dir', `${directory}/state`]

const run = (args: readonly string[], input?: string): Promise<RunResult> =>
  pointsman(lab, args, { netns, ...(input === undefined ? {} : { input }) })

async function configured(text: string): Promise<string> {
  const path = `${directory}/pointsman.yaml`
  await lab.writeFile(path, text)
  return path
}

const yaml = `
defaults:
  scheduler: wrr
  health_check: { enabled: false }
services:
  - name: web
    listen: 10.9.0.1:80
    backends:
      - { address: 10.9.1.1:8080, weight: 5 }
      - { address: 10.9.1.2:8080, weight: 3 }
  - name: dns
    listen: 10.9.0.2:53
    protocol: udp
    scheduler: rr
    backends: [ { address: 10.9.1.1:53 } ]
`

const table = `
  -A -t 10.9.0.1:80 -s wrr
  -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
  -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 3
  -A -u 10.9.0.2:53 -s rr
  -a -u 10.9.0.2:53 -r 10.9.1.1:53 -m -w 1
`

describe('plan and once', () => {
  it('say what would be done, do it, and find nothing left to do', async () => {
    const config = await configured(yaml)
    const before = await run(['plan', '-c', config, ...state()])
    expect(before).toMatchObject({ code: 10, stderr: '' })
    expect(before.stdout).toContain('+ web  tcp/10.9.0.1:80')
    expect(before.stdout).toMatch(/\+ 10\.9\.1\.1:8080 .*weight 5/)
    expect(before.stdout).toMatch(/Plan: 5 to add, 0 to change, 0 to remove/)
    await expectTable(lab, '', { netns })

    const done = await run(['once', '-c', config, ...state()])
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toMatch(/5 changes\.$/m)
    await expectTable(lab, table, { netns })

    const after = await run(['plan', '-c', config, ...state()])
    expect(after).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('No changes.') })
  })

  it('agree in JSON, with every difference and its cause', async () => {
    const config = await configured(yaml)
    expect((await run(['once', '-c', config, '--json', ...state()])).code).toBe(0)
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 50', { netns })
    await ipvsadm(lab, '-d -t 10.9.0.1:80 -r 10.9.1.2:8080', { netns })
    await ipvsadm(lab, '-a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 9', { netns })
    await ipvsadm(lab, '-A -t 10.9.0.9:80 -s rr', { netns })

    const planned = await run(['plan', '-c', config, '--json', ...state()])
    expect(planned).toMatchObject({ code: 10, stderr: '' })
    const { changes, foreign } = JSON.parse(planned.stdout)
    expect(changes).toHaveLength(2)
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'edit-destination',
        service: 'tcp/10.9.0.1:80',
        destination: '10.9.1.1:8080',
        before: expect.objectContaining({ weight: 50 }),
        after: expect.objectContaining({ weight: 5 }),
      }),
    )
    expect(changes).toContainEqual(
      expect.objectContaining({ kind: 'add-destination', service: 'tcp/10.9.0.1:80', destination: '10.9.1.2:8080' }),
    )
    expect(foreign).toContainEqual(expect.objectContaining({ kind: 'service', service: 'tcp/10.9.0.9:80' }))
    expect(foreign).toContainEqual(
      expect.objectContaining({ kind: 'destination', service: 'tcp/10.9.0.1:80', destination: '10.9.1.9:8080' }),
    )

    const done = await run(['once', '-c', config, '--json', ...state()])
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(done.stdout)).toMatchObject({
      applied: { 'edit-destination': 1, 'add-destination': 1 },
      failed: [],
      foreign: 2,
    })
    const strangers = '-A -t 10.9.0.9:80 -s rr\n -a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 9'
    await expectTable(lab, `${table}${strangers}`, { netns })
  })
})

describe('a file in the manner of ezlb', () => {
  it('runs as it is: validate takes it, once makes the table of it, and nothing is left to do', async () => {
    const config = await configured(readFileSync(inCheckout('test/unit/config/fixtures/ezlb-short.yaml'), 'utf8'))
    expect(await run(['validate', '-c', config])).toMatchObject({ code: 0, stdout: `${config}: valid, 3 services.\n` })
    expect(await run(['once', '-c', config, '--no-probes', ...state()])).toMatchObject({ code: 0, stderr: '' })
    const made = `
      -A -t 10.9.0.20:8000 -s wlc
      -a -t 10.9.0.20:8000 -r 10.9.1.20:8001 -m -w 7
      -a -t 10.9.0.20:8000 -r 10.9.1.21:8001 -m -w 4
      -A -t 10.9.0.20:8443 -s wrr
      -a -t 10.9.0.20:8443 -r 10.9.1.30:9443 -m -w 2
      -a -t 10.9.0.20:8443 -r 10.9.1.31:9443 -m -w 2
      -A -u 10.9.0.21:5353 -s rr
      -a -u 10.9.0.21:5353 -r 10.9.1.40:5300 -m -w 3
      -a -u 10.9.0.21:5353 -r 10.9.1.41:5300 -m -w 1
    `
    await expectTable(lab, made, { netns })
    expect(await run(['plan', '-c', config, ...state()])).toMatchObject({ code: 0 })
  })
})

const samples = process.env['POINTSMAN_SAMPLES']

/** That text is not ours to copy; POINTSMAN_SAMPLES says where it is. */
describe.skipIf(samples === undefined)('the example of ezlb (only where POINTSMAN_SAMPLES names its directory)', () => {
  it('runs unchanged: validate takes it, once makes the table of it, and apply finds nothing left to do', async () => {
    const config = await configured(readFileSync(join(samples ?? '', 'ezlb/readme.yaml'), 'utf8'))
    expect(await run(['validate', '-c', config])).toMatchObject({ code: 0, stdout: `${config}: valid, 3 services.\n` })
    expect(await run(['once', '-c', config, '--no-probes', ...state()])).toMatchObject({ code: 0, stderr: '' })
    const made = `
      -A -t 10.0.0.1:80 -s wrr
      -a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5
      -a -t 10.0.0.1:80 -r 192.168.1.11:8080 -m -w 3
      -A -t 10.0.0.1:443 -s wlc
      -a -t 10.0.0.1:443 -r 192.168.2.10:8443 -m -w 1
      -a -t 10.0.0.1:443 -r 192.168.2.11:8443 -m -w 1
      -A -u 10.0.0.2:53 -s rr
      -a -u 10.0.0.2:53 -r 192.168.3.10:53 -m -w 1
      -a -u 10.0.0.2:53 -r 192.168.3.11:53 -m -w 1
    `
    await expectTable(lab, made, { netns })
    const rules = await lab.check(['nft', 'list', 'table', 'inet', 'pointsman'], { netns })
    expect(rules).toMatch(/udp \. 10\.0\.0\.2 \. 53 .*: 10\.0\.0\.2 /)
    expect(await run(['apply', '-f', config, ...state()])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nothing to change'),
    })
  })
})

describe('apply', () => {
  it('takes its input from a file and from standard input, and removes what the next one no longer names', async () => {
    const config = await configured(yaml)
    expect(await run(['apply', '-f', config, ...state()])).toMatchObject({ code: 0, stderr: '' })
    await expectTable(lab, table, { netns })

    const other =
      'services:\n  - { name: web, listen: "10.9.0.1:80", scheduler: wrr, backends: [ { address: "10.9.1.2:8080", weight: 3 } ] }\n'
    const piped = await run(['apply', '-f', '-', ...state()], other)
    expect(piped).toMatchObject({ code: 0, stderr: '' })
    // UDP goes at once; TCP drains, and nobody holds a connection.
    expect(piped.stdout).toMatch(/web 10\.9\.1\.1:8080: weight 5 -> draining .*\n[\s\S]*web 10\.9\.1\.1:8080: draining -> absent/)
    expect(piped.stdout).not.toContain('still draining')
    await expectTable(lab, '-A -t 10.9.0.1:80 -s wrr\n -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 3', { netns })
  })

  it('keeps weights set by hand with --keep-weights, 0 included, and puts them back without', async () => {
    const config = await configured(yaml)
    expect((await run(['apply', '-f', config, ...state()])).code).toBe(0)
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 0', { netns })
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 30', { netns })
    const grown = yaml.replace(
      '      - { address: 10.9.1.2:8080',
      '      - { address: 10.9.1.3:8080, weight: 7 }\n      - { address: 10.9.1.2:8080',
    )
    await configured(grown)

    expect(await run(['apply', '-f', config, '--keep-weights', ...state()])).toMatchObject({ code: 0, stderr: '' })
    const third = '-a -t 10.9.0.1:80 -r 10.9.1.3:8080 -m -w 7\n'
    await expectTable(lab, `${table.replace('8080 -m -w 5', '8080 -m -w 0').replace('8080 -m -w 3', '8080 -m -w 30')}${third}`, {
      netns,
    })

    expect((await run(['apply', '-f', config, ...state()])).code).toBe(0)
    await expectTable(lab, `${table}${third}`, { netns })
  })

  it('does nothing at all when one needed action is not among --allowed-actions', async () => {
    const config = await configured(yaml)
    expect((await run(['apply', '-f', config, ...state()])).code).toBe(0)
    // Needs ad (a new destination), ud (a weight) and dd (one leaves).
    const changed = yaml.replace('10.9.1.2:8080, weight: 3', '10.9.1.3:8080, weight: 3').replace('weight: 5', 'weight: 6')
    await configured(changed)
    const monitor = await NetlinkMonitor.start(lab, netns)
    const refused = await run(['apply', '-f', config, '--allowed-actions', 'as,us,ad,ud', ...state()])
    expect(refused).toMatchObject({ code: 37, stdout: '' })
    expect(refused.stderr).toMatch(/Nothing was changed.*\(dd\).*10\.9\.1\.2:8080/)
    expect(await monitor.writes()).toEqual([])
    await expectTable(lab, table, { netns })

    expect(await run(['apply', '-f', config, '--allowed-actions', 'ad,ud,dd', ...state()])).toMatchObject({ code: 0, stderr: '' })
    const after = table.replace('8080 -m -w 5', '8080 -m -w 6').replace('10.9.1.2:8080', '10.9.1.3:8080')
    await expectTable(lab, after, { netns })
  })
})

describe('get', () => {
  /** One of each kind that ipvsadm can make, thresholds included. */
  const everything = `
    -A -t 10.9.0.1:80 -s wrr -p 300 -M 255.255.255.0
    -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5 -x 1000 -y 500
    -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 0
    -A -u 10.9.0.2:53 -s rr -o
    -a -u 10.9.0.2:53 -r 10.9.1.1:53 -g -w 1
    -A -u 10.9.0.3:5060 -s lc -p 360 --pe sip
    -a -u 10.9.0.3:5060 -r 10.9.1.1:5060 -m -w 65535
    -A --sctp-service 10.9.0.4:3868 -s wlc
    -a --sctp-service 10.9.0.4:3868 -r 10.9.1.1:3868 -m -w 1
    -A -f 7 -s sh -b sh-fallback,sh-port
    -a -f 7 -r 10.9.1.1:0 -g -w 1
    -A -f 8 -6 -s mh -b mh-fallback,mh-port
    -a -f 8 -6 -r [2001:db8:9:1::1]:0 -i -w 2
    -A -t 10.9.0.5:80 -s sed
    -a -t 10.9.0.5:80 -r 10.9.1.1:80 -i -w 1
    -a -t 10.9.0.5:80 -r 10.9.1.2:80 -i --tun-type gue --tun-port 6080 --tun-nocsum -w 1
    -a -t 10.9.0.5:80 -r 10.9.1.3:80 -i --tun-type gue --tun-port 6081 --tun-remcsum -w 1
    -a -t 10.9.0.5:80 -r 10.9.1.4:80 -i --tun-type gre --tun-csum -w 1
    -A -t [2001:db8:9::1]:80 -s wlc -p 60 -M 64
    -a -t [2001:db8:9::1]:80 -r [2001:db8:9:1::1]:80 -m -w 3
    -A -t 10.9.0.6:0 -s lblc -p 100
    -a -t 10.9.0.6:0 -r 10.9.1.1:0 -g -w 1
  `

  const thresholds = (): Promise<string> => lab.check(['ipvsadm', '-Ln', '--thresholds'], { netns })

  it('gives what apply reads back without a single write, and builds the same table from nothing', async () => {
    await restore(lab, everything, { netns })
    const before = await readTable(lab, { netns })
    const limits = await thresholds()
    expect(before).toHaveLength(tableLines(everything).length)

    const got = await run(['get', ...state()])
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(got.stdout).not.toContain('left out')

    const monitor = await NetlinkMonitor.start(lab, netns)
    const applied = await run(['apply', '-f', '-', ...state()], got.stdout)
    expect(applied).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Nothing to change') })
    expect(await monitor.writes()).toEqual([])
    expect(await readTable(lab, { netns })).toEqual(before)

    await clearTable(lab, { netns })
    expect(await run(['apply', '-f', '-', ...state()], got.stdout)).toMatchObject({ code: 0, stderr: '' })
    expect(await readTable(lab, { netns })).toEqual(before)
    expect((await thresholds()).split('\n').sort()).toEqual(limits.split('\n').sort())
    expect((await run(['get', ...state()])).stdout.split('\n').sort()).toEqual(got.stdout.split('\n').sort())
  })

  it('gives what puts back whatever others add to these objects afterwards', async () => {
    const bare = `
      -A -t 10.9.0.1:80 -s wrr
      -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
      -A -u 10.9.0.2:53 -s rr
      -a -u 10.9.0.2:53 -r 10.9.1.1:53 -m -w 1
      -A -u 10.9.0.3:53 -s mh -b mh-fallback
      -a -u 10.9.0.3:53 -r 10.9.1.1:53 -m -w 1
    `
    await restore(lab, bare, { netns })
    const limits = await thresholds()
    const got = await run(['get', ...state()])
    expect(got).toMatchObject({ code: 0, stderr: '' })

    await ipvsadm(lab, '-E -t 10.9.0.1:80 -s wlc -p 300 -M 255.255.255.0 -b flag-1', { netns })
    await ipvsadm(lab, '-e -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 7 -x 1000 -y 500', { netns })
    await ipvsadm(lab, '-E -u 10.9.0.2:53 -s rr -o', { netns })
    await ipvsadm(lab, '-E -u 10.9.0.3:53 -s mh -b mh-fallback,mh-port', { netns })
    expect(await readTable(lab, { netns })).not.toEqual(tableLines(bare))

    expect(await run(['apply', '-f', '-', ...state()], got.stdout)).toMatchObject({ code: 0, stderr: '' })
    await expectTable(lab, bare, { netns })
    expect(await thresholds()).toBe(limits)
  })
})

describe('doctor', () => {
  const sick = `
services:
  - { name: web, listen: "10.9.0.1:80", persistence: 300s, backends: [ { address: "10.9.1.1:8080" } ] }
  - { name: dns, listen: "10.9.0.2:53", protocol: udp, scheduler: mh, backends: [ { address: "10.9.1.1:53" } ] }
  - { name: six, listen: "[2001:db8:9::1]:80", backends: [ { address: "[2001:db8:9:1::1]:80" } ] }
`
  const keepalivedConf = `
virtual_server 10.9.0.77 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.9.1.77 80 { weight 1 }
}
`

  it('names each failing thing and another writer; its cures, carried out word by word, make it well', async () => {
    const config = await configured(sick)
    await lab.writeFile(`${directory}/keepalived.conf`, keepalivedConf)
    const files = ['-p', `${directory}/k.pid`, '-c', `${directory}/kc.pid`, '-r', `${directory}/kv.pid`]
    const keepalived = lab.spawn(['keepalived', '-n', '-l', '-C', ...files, '-f', `${directory}/keepalived.conf`], { netns })
    await expect.poll(() => readTable(lab, { netns }), { timeout: 30_000 }).toContain('-A -t 10.9.0.77:80 -s rr')

    const ill = await run(['doctor', '-c', config, '--json', ...state()])
    expect(ill).toMatchObject({ code: 42, stderr: '' })
    const { ok, checks } = JSON.parse(ill.stdout) as { readonly ok: boolean; readonly checks: readonly Finding[] }
    expect(ok).toBe(false)
    const failing = checks.filter(({ verdict }) => verdict === 'fail')
    for (const { cure, run } of failing) expect(cure ?? run).toBeDefined()
    const about = (words: RegExp): Finding | undefined => failing.find(({ message }) => words.test(message))
    expect(about(/keepalived \(process \d+\) runs in this network namespace/)?.check).toBe('other writer')
    const sysctls = ['vs.expire_nodest_conn', 'vs.expire_quiescent_template', 'ip_forward']
    for (const name of sysctls) expect(about(new RegExp(`net\\.ipv4\\.${name} is 0`))?.run).toBe(`sysctl -w net.ipv4.${name}=1`)
    expect(about(/net\.ipv6\.conf\.all\.forwarding is 0/)).toBeDefined()
    expect(checks).toContainEqual(
      expect.objectContaining({ check: 'scheduler', verdict: 'ok', message: expect.stringContaining('mh') }),
    )

    // What another writer has made is left alone, doctor or not.
    expect(await run(['once', '-c', config, '--no-probes', ...state()])).toMatchObject({ code: 0, stderr: '' })
    expect(await readTable(lab, { netns })).toContain('-a -t 10.9.0.77:80 -r 10.9.1.77:80 -m -w 1')

    keepalived.kill('SIGTERM')
    await keepalived.exited
    for (const { run: command } of failing) if (command?.startsWith('sysctl')) await lab.check(command, { netns })
    const well = await run(['doctor', '-c', config, ...state()])
    expect(well.stdout).not.toMatch(/^fail/m)
    expect(well.code).toBe(0)
  })
})
