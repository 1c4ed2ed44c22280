import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { command } from '../../lab/command.ts'

/** Milliseconds: dpkg and lintian are slow where the machine is busy. */
const PATIENCE = 300_000

let directory = ''
let deb = ''

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pointsman-deb-test-'))
  deb = (await command(['node', 'tools/deb.mjs', '--fast', directory], { timeoutMs: 100_000 })).trim()
  cpSync(deb, join(directory, 'whole.deb'))
  // Without Node, which is nearly all of it, for what looks at the rest; and the same under a later version.
  const tree = join(directory, 'tree')
  await command(['dpkg-deb', '--raw-extract', deb, tree])
  rmSync(join(tree, 'usr/lib/pointsman/node'))
  await command(['sed', '-i', '/ usr.lib.pointsman.node$/d', join(tree, 'DEBIAN/md5sums')])
  await command(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', tree, join(directory, 'first.deb')])
  await command(['sed', '-i', 's/^Version: .*/&.1/', join(tree, 'DEBIAN/control')])
  await command(['dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '--build', tree, join(directory, 'later.deb')])
}, PATIENCE)

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** What a script says that runs in a copy of this machine, where the packages are /given/first.deb and /given/later.deb. */
function inCopy(script: string): Promise<string> {
  const namespaces = ['unshare', '--mount', '--pid', '--net', '--fork', '--kill-child']
  return command([...namespaces, 'sh', 'test/integration/install/chroot.sh', directory, script], { timeoutMs: PATIENCE })
}

const install = (file: string) => `dpkg --force-unsafe-io --force-confold --no-triggers -i /given/${file} >/dev/null`

test('lintian has nothing to say of it', { timeout: PATIENCE }, async () => {
  const options = ['--no-cfg', '--allow-root', '--fail-on', 'error,warning']
  await command(['lintian', ...options, join(directory, 'first.deb')], { timeoutMs: PATIENCE })
})

test('the unit is rated below 3', async () => {
  // The threshold is in tenths; what is above it is an error.
  const unit = 'deploy/systemd/pointsman.service'
  const rating = await command(['systemd-analyze', 'security', '--offline=true', '--threshold=29', unit])
  expect(rating).toMatch(/Overall exposure level for pointsman.service: [012]\.\d/)
})

test('it brings its own Node, runs, and its configuration is valid', { timeout: PATIENCE }, async () => {
  const said = await inCopy(`
    ${install('whole.deb')}
    rm -f /usr/bin/node /usr/local/bin/node
    pointsman version
    pointsman validate
    id -un pointsman
    man -w pointsman pointsman.yaml
    systemd-analyze verify pointsman.service 2>&1 | grep -i pointsman || echo verified
    pointsman plan --state-dir /tmp/state 2>&1 || true`)
  expect(said).toMatch(/^pointsman \d.* Node v24\./m)
  expect(said).toMatch(/^pointsman$/m)
  expect(said).toContain('/usr/share/man/man5/pointsman.yaml.5.gz')
  expect(said).toMatch(/^verified$/m)
  // The answer of the kernel, whatever it is: so the native code was found.
  expect(said).toMatch(/no IPVS|CAP_NET_ADMIN|[Nn]othing/)
})

test('it brings what watches it, and the page of each alert where the rules say', async () => {
  const tree = join(directory, 'tree/usr/share/doc/pointsman')
  const rules = readFileSync(join(tree, 'examples/prometheus/pointsman.rules.yml'), 'utf8')
  const pages = [...rules.matchAll(/runbook: (\S+)/g)].map(([, page]) => readFileSync(join(tree, page ?? ''), 'utf8'))
  expect(pages.length).toBeGreaterThan(20)
  expect(JSON.parse(readFileSync(join(tree, 'examples/grafana/pointsman.json'), 'utf8'))).toHaveProperty('panels')
})

test('it is enabled and started, stays disabled when somebody disables it, and is stopped by a removal', {
  timeout: PATIENCE,
}, async () => {
  const enabled = 'ls /etc/systemd/system/multi-user.target.wants/pointsman.service 2>/dev/null || echo disabled'
  const said = await inCopy(`
    calls() { grep -e start -e stop -e kill /calls || echo nothing; : >/calls; }
    ${install('first.deb')}
    calls; ${enabled}
    SYSTEMD_OFFLINE=1 /usr/bin/systemctl --quiet disable pointsman.service
    ${install('later.deb')}
    calls; ${enabled}
    dpkg --no-triggers -r pointsman >/dev/null
    calls; ls /etc/pointsman
    mkdir -p /var/lib/pointsman; touch /var/lib/pointsman/x /etc/pointsman/mine.yaml
    dpkg --no-triggers -P pointsman >/dev/null 2>&1
    ls /etc/pointsman; ls -d /var/lib/pointsman /usr/lib/pointsman /usr/bin/pointsman 2>/dev/null || echo purged`)
  expect(said.trim().split('\n')).toEqual([
    'deb-systemd-invoke start pointsman.service',
    '/etc/systemd/system/multi-user.target.wants/pointsman.service',
    // Which starts nothing that is disabled.
    'deb-systemd-invoke start pointsman.service',
    'disabled',
    'deb-systemd-invoke stop pointsman.service',
    'pointsman.yaml',
    // Files that the package does not know are the operator's.
    'mine.yaml',
    'purged',
  ])
})

test('an upgrade leaves the configuration as it is', { timeout: PATIENCE }, async () => {
  const said = await inCopy(`
    ${install('first.deb')}
    echo '# mine' >/etc/pointsman/pointsman.yaml
    ${install('later.deb')}
    cat /etc/pointsman/pointsman.yaml`)
  expect(said.trim()).toBe('# mine')
})

test('its sysctls are set at the first install where ip_vs is loaded, and at no upgrade', { timeout: PATIENCE }, async () => {
  // A tree of files stands for the kernel's.
  const said = await inCopy(`
    mount -t tmpfs vs /proc/sys/net/ipv4; mkdir /proc/sys/net/ipv4/vs
    sysctls() { for name in expire_nodest_conn expire_quiescent_template conn_reuse_mode; do eval "$1"; done; }
    zero='echo 0 >/proc/sys/net/ipv4/vs/$name' print='printf %s $(cat /proc/sys/net/ipv4/vs/$name)'
    sysctls "$zero"; ${install('first.deb')}; sysctls "$print"; echo
    sysctls "$zero"; ${install('later.deb')}; sysctls "$print"; echo
    dpkg --no-triggers -P pointsman >/dev/null 2>&1; umount /proc/sys/net/ipv4
    ${install('first.deb')} 2>&1; echo without`)
  expect(said.trim().split('\n')).toEqual(['111', '000', 'without'])
})

test('under systemd it has the rights that it needs and no other, and a reload tells of a file that is not valid', {
  timeout: PATIENCE,
}, async () => {
  cpSync('test/integration/install/inside.sh', join(directory, 'inside.sh'))
  await command(['unshare', '--mount', '--net', 'sh', 'test/support/systemd.sh', directory], { timeoutMs: PATIENCE })
  const [daemon, readOnly, ...said] = readFileSync(join(directory, 'out'), 'utf8').trim().split('\n')
  // It has asked the kernel: there it is active, or there is no IPVS and it is about to try again.
  expect(daemon).toBeOneOf(['daemon: activating 20', 'daemon: active 0'])
  expect(readOnly).toBeOneOf(['read only: activating 20', 'read only: active 0'])
  expect(said).toEqual([
    'reload of a valid file: done',
    'reload of a file that is not valid: refused',
    'then: active, reloads: 1',
    'user: pointsman',
    // Bits 12 and 13: CAP_NET_ADMIN, CAP_NET_RAW.
    'CapEff: 0000000000003000',
    'CapBnd: 0000000000003000',
    'NoNewPrivs: 1',
    'may: addresses',
    'may: nft',
    'may: sysctls of the network',
    'may: what root left in the state directory',
    'may: Node',
    'may: sockets of packet',
    'may: sockets of netlink',
    'may: take the lock of xtables',
    'may: write logs',
    'ready',
    'reloaded',
    'upgrade to one that refuses the file: active, the same, new version refuses the configuration',
    'upgrade of a good file: active, another',
    // By the stop behind it alone.
    'ended by SIGTERM',
    'upgrade of another file: active, another',
    'upgrade with a variable that it refuses: active, the same, new version refuses the configuration',
    'upgrade where nothing starts it again: active, another',
    'upgrade of one that has failed: active, another',
    'upgrade of one that is about to be tried again: activating, the same',
    'upgrade of one that was stopped: active, another',
    'upgrade of one that is disabled: inactive, the same, is a disabled',
  ])
})

test('each path of the unit is one of the package or of the base system', () => {
  const unit = readFileSync('deploy/systemd/pointsman.service', 'utf8')
  const programs = [...unit.matchAll(/^Exec\w+=[+!-]*(\/\S+)/gm)].map(([, program]) => program)
  expect(new Set(programs)).toEqual(
    new Set(['/usr/bin/pointsman', '/bin/sh', '/bin/kill', '/bin/chown', '/bin/touch', '/bin/chgrp', '/bin/chmod']),
  )
})
