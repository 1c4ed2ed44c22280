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
    // It did not run, so the upgrade leaves it so.
    'nothing',
    'disabled',
    'deb-systemd-invoke stop pointsman.service',
    'pointsman.yaml',
    // Files that the package does not know are the operator's.
    'mine.yaml',
    'purged',
  ])
})

test('an upgrade restarts it; where its end would change the table it is killed, so that traffic goes on', {
  timeout: PATIENCE,
}, async () => {
  const restarted = 'deb-systemd-invoke restart pointsman.service'
  const killed = 'systemctl kill --kill-who=main --signal=SIGKILL pointsman.service'
  const cases: readonly (readonly [string, string, string])[] = [
    ['global: { on_exit: keep }', '', restarted],
    ['services: []', '', restarted],
    ['global: {on_exit: drain}', '', killed],
    ['  on_exit: remove', '', killed],
    ['global: { "cleanup_on_exit": true }', '', killed],
    ['global: { cleanup_on_exit: false }', '', restarted],
    ['services: []', 'ExecStart={ argv[]=/usr/bin/pointsman start --on-exit remove ; }', killed],
    ['services: []', 'Environment=POINTSMAN_ON_EXIT=drain', killed],
    ['services: []', 'Environment=POINTSMAN_ON_EXIT=keep', restarted],
  ]
  const upgrades = cases.map(([configuration, shown]) =>
    [
      `printf '%s' '${configuration}' >/etc/pointsman/pointsman.yaml`,
      `printf '%s' '${shown}' >/shown`,
      ': >/calls',
      'upgrade',
    ].join('; '),
  )
  // The script alone is run for each: that dpkg runs it, and leaves the configuration as it is, is seen at the first.
  const said = await inCopy(`
    upgrade() { /var/lib/dpkg/info/pointsman.postinst configure 0.1.0-1; grep -e start -e kill /calls; }
    ${install('first.deb')}
    touch /active; echo '# mine' >/etc/pointsman/pointsman.yaml; : >/calls
    ${install('later.deb')}
    grep -e start -e kill /calls; cat /etc/pointsman/pointsman.yaml
    export DPKG_MAINTSCRIPT_PACKAGE=pointsman DPKG_MAINTSCRIPT_NAME=postinst
    ${upgrades.join('\n')}`)
  expect(said.trim().split('\n')).toEqual([restarted, '# mine', ...cases.map(([, , expected]) => expected)])
})

test('under systemd it has the rights that it needs and no other, and a reload tells of a file that is not valid', {
  timeout: PATIENCE,
}, async () => {
  cpSync('test/integration/install/inside.sh', join(directory, 'inside.sh'))
  await command(['unshare', '--mount', 'sh', 'test/integration/install/systemd.sh', directory], { timeoutMs: PATIENCE })
  const [daemon, ...said] = readFileSync(join(directory, 'out'), 'utf8').trim().split('\n')
  // It has asked the kernel: there it is active, or there is no IPVS and it is about to try again.
  expect(daemon).toBeOneOf(['daemon: activating 20', 'daemon: active 0'])
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
    'may: write logs',
    'ready',
    'reloaded',
  ])
})

test('each path of the unit is one of the package or of the base system', () => {
  const unit = readFileSync('deploy/systemd/pointsman.service', 'utf8')
  const programs = [...unit.matchAll(/^Exec\w+=[+!-]*(\/\S+)/gm)].map(([, program]) => program)
  expect(new Set(programs)).toEqual(new Set(['/usr/bin/pointsman', '/bin/kill', '/bin/chown']))
})
