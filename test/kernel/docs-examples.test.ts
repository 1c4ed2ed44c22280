/**
 * The commands of the documentation, word for word, on a director with systemd, the Debian package and a kernel with IPVS; words in capitals
 * are filled in. What is not run here is in test/support/doc-elsewhere.ts.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sharedLab } from '../lab/shared.ts'
import { blockOf, examplesOf, PAGES, withoutComment } from '../support/doc-examples.ts'
import { stale } from '../support/doc-shape.ts'
import { DocRun } from './support/doc-run.ts'
import { DocStage } from './support/doc-stage.ts'

const RUNBOOK = PAGES.filter((page) => page.startsWith('docs/runbook/'))

/** The director of most pages. Its catalog is away, its hook fails, and another host has the address of its second service. */
const DIRECTOR = `
global:
  admin: 127.0.0.1:9095
  resync_interval: 10s
  hooks: { exec: [/bin/false] }
catalog:
  - consul: { address: http://127.0.0.1:8501 }
    allow: [{ service: web-*, listen: [10.0.0.0/24:8080] }]
services:
  - name: web
    listen: 10.0.0.1:80
    scheduler: wrr
    quorum: { min: 3 }
    source: { consul: web }
    health_check: { interval: 10s, timeout: 8s, fail_count: 4, tls: { verify: false } }
  - name: dns
    listen: 10.0.0.2:53
    protocol: udp
    forwarding: direct
    virtual_address: { interface: eth0 }
    health_check: { enabled: false }
    backends: [10.0.1.1:53, 10.0.1.2:53]
`

/** Milliseconds: some fifty commands, each of which starts a Node on an emulated processor. */
const PATIENCE = 900_000

const parts = new AsyncDisposableStack()
let stage: DocStage
let docs: DocRun

beforeAll(async () => {
  const lab = parts.use(await sharedLab())
  stage = parts.use(await DocStage.set(lab))
  docs = new DocRun(stage)
})
afterAll(() => parts.disposeAsync())

const text = (page: string, begins = ''): string => blockOf(page, 'text', begins)
const yaml = (page: string, begins: string): string => blockOf(page, 'yaml', begins)

describe('a host without the daemon', { timeout: PATIENCE }, () => {
  it('docs/install.md', async () => {
    expect(await docs.page('docs/install.md', { 'pointsman doctor': { shows: /^ok +configuration/m } })).toEqual([])
    await stage.check('systemctl stop pointsman')
  })

  it('docs/guide/README.md and docs/guide/operations.md', async () => {
    const configuration = yaml('docs/guide/README.md', 'global:')
    await stage.write('pointsman.yaml', configuration)
    await stage.write('new.yaml', configuration.replace('weight: 2', 'weight: 4'))
    for (const n of [1, 2]) stage.serve('http', `10.0.1.${n}:8080`)
    expect(
      await docs.page('docs/commands/validate.md', {
        'pointsman validate --config new.yaml': { shows: /valid, 1 service/ },
      }),
    ).toEqual([])
    expect(
      await docs.page('docs/guide/README.md', {
        // net.ipv4.ip_forward is 0 here.
        'pointsman doctor -c pointsman.yaml': { code: 42, shows: /^fail +sysctl/m },
        'pointsman plan -c pointsman.yaml': { code: 10, shows: /^\+/m },
        'pointsman start -c pointsman.yaml': { until: 'ready: ', stays: true },
        'pointsman status': { shows: /2 of 2 serve/ },
        'ipvsadm -Ln': { shows: /10\.0\.1\.1:8080/ },
      }),
    ).toEqual([])
    expect(await docs.page('docs/guide/operations.md', { 'pointsman status': { shows: /kernel update/ } })).toEqual([])
    await stage.end()
  })

  it('docs/commands/plan.md, get.md, apply.md, once.md', async () => {
    expect(
      await docs.page('docs/commands/plan.md', {
        'pointsman plan --config new.yaml': { code: 10, shows: /^~/m },
        'pointsman plan -f - < new.yaml': { code: 10, shows: /^~/m },
      }),
    ).toEqual([])
    expect(await docs.page('docs/commands/get.md')).toEqual([])
    expect(await docs.page('docs/commands/apply.md')).toEqual([])
    await stage.check('cp pointsman.yaml /etc/pointsman/pointsman.yaml')
    expect(
      await docs.page('docs/commands/once.md', {
        'pointsman once --config /etc/pointsman/pointsman.yaml --json': { shows: /"web"/ },
      }),
    ).toEqual([])
  })

  it('docs/commands/start.md: the daemon, and a shadow that sees a backend fall and rise', async () => {
    const shown = text('docs/commands/start.md', 'would: ')
    const shadow = withoutComment(examplesOf('docs/commands/start.md').at(-1)?.command ?? '')
    expect(
      await docs.page('docs/commands/start.md', {
        'pointsman start --config /etc/pointsman/pointsman.yaml': { until: 'ready: ' },
        [shadow]: { until: 'ready: ', stays: true },
      }),
    ).toEqual([])
    await stage.unserve('10.0.1.1:8080')
    await stage.check("until grep -q 'would: ' /root/said; do sleep 0.5; done")
    stage.serve('http', '10.0.1.1:8080')
    await stage.check("until grep -q 'would no longer: ' /root/said; do sleep 0.5; done")
    expect(stale(shown, await stage.end())).toEqual([])
  })

  it('docs/commands/replay.md', async () => {
    expect(
      await docs.page('docs/commands/replay.md', {
        'pointsman start --journal /var/lib/pointsman/journal': { until: 'web 10.0.1.1:8080: health unknown -> up' },
        'pointsman replay /var/lib/pointsman/journal': { shows: /web 10\.0\.1\.1:8080: .*weight 2/ },
        'pointsman replay /var/lib/pointsman/journal -c new.yaml': { shows: /web 10\.0\.1\.1:8080: .*weight 4/ },
      }),
    ).toEqual([])
  })

  it('docs/commands/import.md', async () => {
    const page = 'docs/commands/import.md'
    const files = {
      'conf keepalived.conf': '/etc/keepalived/keepalived.conf',
      'text ipvsadm.saved': 'table',
      'text ezlb.yaml': 'config.yaml',
      'text ipvsctl.yaml': '/etc/ipvsctl.yaml',
      'json kglb.json': 'config.json',
    }
    for (const [info, path] of Object.entries(files)) await stage.write(path, blockOf(page, info))
    await stage.write('params.yaml', 'web: 10.0.0.1\n')
    await stage.check('rm pointsman.yaml')
    // 11: their pages list what could not be carried over.
    expect(
      await docs.page(page, {
        'pointsman import keepalived /etc/keepalived/keepalived.conf -o pointsman.yaml': { code: 11 },
        'pointsman import kglb config.json': { code: 11 },
        'pointsman plan -c pointsman.yaml': { code: 10 },
      }),
    ).toEqual([])
  })

  it('docs/commands/doctor.md: a firewall that drops, and docs/sinks/firewall.md: what is left of its openings', async () => {
    await stage.check(`nft add table inet filter
      nft 'add chain inet filter input { type filter hook input priority filter; policy drop; }'`)
    const doctor = 'pointsman doctor -c /etc/pointsman/pointsman.yaml'
    expect(stale(text('docs/commands/doctor.md', 'fail  firewall'), (await stage.run(doctor)).stdout)).toEqual([])
    await stage.check(
      'nft insert rule inet filter input iif lo accept; nft insert rule inet filter input ct state established accept',
    )
    const begun = await stage.begin('pointsman start --manage-firewall true', 'ready: ')
    expect(begun).toContain('ready: ')
    await expect.poll(() => stage.check('nft list table inet filter'), { timeout: 60_000 }).toContain('jump pointsman-input')
    await stage.end()
    const rules = await stage.check('nft -a list chain inet filter input')
    const handle = /pointsman-input.* handle (\d+)/.exec(rules)?.[1] ?? ''
    expect(await docs.page('docs/sinks/firewall.md', {}, { fill: { HANDLE: handle } })).toEqual([])
    expect(await stage.check('nft list chains')).not.toContain('pointsman-input')
    await stage.check('nft delete table inet filter')
  })

  it('what is told to a backend, and to the kernel of the host', async () => {
    expect(await docs.page('docs/guide/forwarding.md', {}, { where: 'backend', begins: 'ip addr add' })).toEqual([])
    await stage.run('ip addr del 192.0.2.10/32 dev lo', 'backend')
    expect(await docs.page('docs/guide/forwarding.md', {}, { where: 'backend', begins: 'modprobe ipip' })).toEqual([])
    expect(await docs.page('docs/guide/tuning.md', {}, { begins: 'echo' })).toEqual([])
    const [entries = '', chains = ''] = (
      await stage.run('sysctl -n net.netfilter.nf_conntrack_max; cat /sys/module/nf_conntrack/parameters/hashsize', 'host')
    ).stdout.split('\n')
    expect(await docs.page('docs/guide/tuning.md', {}, { where: 'host', begins: 'sysctl' })).toEqual([])
    await stage.run(
      `echo ${chains} >/sys/module/nf_conntrack/parameters/hashsize; sysctl -w net.netfilter.nf_conntrack_max=${entries}`,
      'host',
    )
    expect(await docs.page('docs/probes/via-vip.md')).toEqual([])
  })
})

describe('a director at work', { timeout: PATIENCE }, () => {
  it('README.md: installed, configured, looked at', async () => {
    for (const n of [1, 2, 3]) stage.serve('tls', `10.0.1.${n}:80`)
    await stage.register()
    // The record of what is ours is spoilt, and somebody else's backend is in the table.
    await stage.check(`for record in /var/lib/pointsman/ownership-*; do echo spoilt >$record; done
      ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.9:80 -m -w 1; systemctl start pointsman`)
    await stage.write('director.yaml', DIRECTOR)
    // What Debian's alternatives lead to where somebody has an editor.
    await stage.check(
      `printf '#!/bin/sh\\ncat director.yaml >"$1"\\n' >/usr/local/bin/editor; chmod +x /usr/local/bin/editor; ln -sf /usr/local/bin/editor /usr/bin/editor`,
    )
    expect(
      await docs.page('README.md', {
        'pointsman doctor': { code: 42, like: text('docs/commands/doctor.md', 'ok ') },
        // The address that another host holds is still to be added.
        'pointsman plan': { code: 10 },
        'pointsman status': { shows: /^web .*\b3 of \d serve/m },
      }),
    ).toEqual([])
  })

  it('the operator: docs/commands/drain.md, status.md, why.md and the others', async () => {
    const [drain = '', all = ''] = examplesOf('docs/commands/drain.md').map(({ command }) => withoutComment(command))
    // 48: nobody would serve any more.
    expect(await docs.page('docs/commands/drain.md', { [drain]: {}, [all]: { code: 48 } })).toEqual([])
    await stage.check('pointsman drain web 10.0.1.1:80 --reason "new disk" --for 1h')
    expect(
      await docs.page('docs/commands/status.md', { 'pointsman status web': { like: text('docs/commands/status.md') } }),
    ).toEqual([])
    expect(
      await docs.page('docs/commands/why.md', { 'pointsman why web 10.0.1.1:80': { like: text('docs/commands/why.md') } }),
    ).toEqual([])
    for (const page of ['maintenance', 'weight', 'undrain']) expect(await docs.page(`docs/commands/${page}.md`)).toEqual([])
  })

  it('docs/status-page.md', async () => {
    const [one = '', stream = ''] = examplesOf('docs/status-page.md').map(({ command }) => command)
    expect(
      await docs.page('docs/status-page.md', { [one]: { shows: /"service":"web"/ }, [stream]: { until: '^event: status' } }),
    ).toEqual([])
  })

  it('docs/runbook, while much is amiss', async () => {
    await stage.deregister()
    await stage.check('until pointsman status web | grep -q held; do sleep 1; done')
    await stage.check('ipvsadm -e -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 3')
    await stage.check(`until journalctl -qu pointsman -g '"cause":"drift"'; do sleep 1; done`)
    await stage.check('pointsman pause --reason "ticket 42"')
    stage.knock('10.0.0.1', 80)
    await stage.fillConntrack()
    expect(
      await docs.run(
        RUNBOOK,
        {
          'pointsman status': { shows: /^paused .*ticket 42/m },
          'curl -s http://127.0.0.1:9095/healthz': { shows: /"status"/ },
          'curl -s http://127.0.0.1:9095/readyz': { shows: /"paused"/ },
          'openssl s_client -connect BACKEND -servername NAME </dev/null | openssl x509 -noout -dates -subject': {
            shows: /notAfter=.*subject=CN ?= ?web\.example/s,
          },
          'dmesg | grep conntrack': { shows: /table full/ },
          'conntrack -S': { shows: /^cpu=0/m },
          'top -H -p $(systemctl show -P MainPID pointsman)': { until: 'Threads:.*total' },
          'ipvsadm -Lnc | grep BACKEND': { shows: /10\.0\.1\.2:80/ },
          // net.ipv4.ip_forward is 0 here.
          'pointsman doctor': { code: 42 },
          // The address of another host, as above.
          'pointsman plan -c /etc/pointsman/pointsman.yaml': { code: 10 },
          'pointsman doctor -c /etc/pointsman/pointsman.yaml': { code: 42 },
          // The kernel is not stuck: the line that would be found is the same but for its level.
          [`journalctl -u pointsman -g '"level":"fatal"' -n 20`]: { code: 1 },
          // None of them runs here.
          "ps -e | grep -E 'keepalived|kube-proxy|kube-router|ldirectord'": { code: 1 },
          // Another host answers for it, which is what the page is about.
          'arping -D -c 3 -I INTERFACE VIP': { code: 1, shows: /Unicast reply from 10\.0\.0\.2/ },
          'ip neigh show VIP': {},
          'ip -br address': { shows: /^eth0/m },
        },
        { fill: { BACKEND: '10.0.1.2:80' } },
      ),
    ).toEqual([])
    await stage.check(`journalctl -qu pointsman -g '"level":"info"' -n 1`)
  })

  it('docs/commands/pause.md, resume.md, adopt.md, approve.md', async () => {
    await stage.check('pointsman resume')
    expect(await docs.page('docs/commands/pause.md', { 'pointsman plan': { code: 10 } })).toEqual([])
    expect(await docs.page('docs/commands/resume.md')).toEqual([])
    expect(await docs.page('docs/commands/adopt.md')).toEqual([])
    expect(await docs.page('docs/commands/approve.md')).toEqual([])
    expect(
      await docs.page('docs/commands/doctor.md', {
        'pointsman doctor --config /etc/pointsman/pointsman.yaml': { code: 42, like: text('docs/commands/doctor.md', 'ok ') },
      }),
    ).toEqual([])
  })
})

it('every command of every page was run, or stands in the table', () => {
  expect(docs.left()).toEqual([])
})
