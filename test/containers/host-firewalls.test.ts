/** The real ufw, firewalld and Docker of Debian, in namespaces of their own: what the doctor makes of their rules, its commands word for word, what the sink puts among them, and the source NAT beside them. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command } from '../lab/command.ts'
import { BUS_CONFIGURATION, firewallPrograms } from '../peers/firewalls.ts'
import { enginePrograms } from './support/engine.ts'

/** The programs in their places, in this mount namespace alone. */
const INSTALL = `
mount -t tmpfs -o mode=755 firewalls "$1" && cd "$1" && tar -xf "$2"
for name in usr etc; do
  mkdir -p upper/$name work/$name
  mount -t overlay -o "lowerdir=$1/$name:/$name,upperdir=$1/upper/$name,workdir=$1/work/$name" firewalls /$name
done
cd / && mount -t tmpfs run /run && mkdir -p /run/dbus /run/firewalld
ip link set lo up
ip link add clients type veth peer name others && ip addr add 10.1.0.1/24 dev clients && ip link set clients up && ip link set others up
`

const FIREWALLD = `
firewalld --nofork --nopid --log-target=console >/run/firewalld.log 2>&1 &
for try in $(seq 300); do firewall-cmd --state && break; sleep 0.2; done`

async function beside(start: string, reload: string, restart: string, panic = ''): Promise<unknown> {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-firewalls-'))
  try {
    const script = `${INSTALL}\n{ ${start}\n} >&2\nexec "$3" "$4" "$5" "$6" "$7"`
    const apart = ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
    const witness = join(import.meta.dirname, 'support/host-firewall.ts')
    const args = [dir, await firewallPrograms(), process.execPath, witness, reload, restart, panic]
    return JSON.parse(await command([...apart, 'sh', '-euc', script, 'sh', ...args], { timeoutMs: 240_000 }))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const well = (closed: unknown) => ({
  closed,
  opened: [],
  healed: { faults: [], sameRules: true, failed: [] },
  warnings: [expect.stringContaining('the rules for services are in it again') as unknown],
  // Before, after the reload, after the restart, and once it was removed.
  translations: [1, 1, 1, 0],
  left: true,
  cured: [],
  kept: [],
})

test('ufw: closed, opened behind what it refuses, again after a reload and a restart, left as it was, and opened by its own command', {
  timeout: 300_000,
}, async () => {
  const start = 'ufw deny proto udp to 10.9.0.1 port 53 && ufw --force enable'
  expect(await beside(start, 'ufw reload', 'ufw disable && ufw --force enable')).toEqual(
    well([
      {
        message:
          'INPUT, iptables-nft, chain INPUT (kept by ufw) drops what clients send to tcp/10.9.0.1:80 and 1 more by its policy',
        run: 'ufw allow proto tcp to 10.9.0.1 port 80 && ufw prepend allow proto udp to 10.9.0.1 port 53 && ufw allow proto udp to 10.9.0.1 port 53',
      },
      {
        message: 'INPUT, ip6tables-nft, chain INPUT (kept by ufw) drops what clients send to tcp/[fd00:9::1]:80 by its policy',
        run: 'ufw allow proto tcp to fd00:9::1 port 80',
      },
    ]),
  )
})

test('firewalld: closed, opened in the zone, again after a reload and a restart, left as it was, opened by its own command, and in panic', {
  timeout: 300_000,
}, async () => {
  const start = `
firewall-offline-cmd --zone=public --add-interface=clients
dbus-daemon --config-file=${BUS_CONFIGURATION} --fork --nosyslog
${FIREWALLD}
echo $! >/run/firewalld.pid`
  const restart = `
kill $(cat /run/firewalld.pid)
while firewall-cmd --state; do sleep 0.2; done
${FIREWALLD}`
  const found = await beside(start, 'firewall-cmd --reload', restart, 'firewall-cmd --panic-on')
  expect(found).toEqual({
    ...well([
      {
        message: expect.stringMatching(
          /^INPUT, nftables table inet firewalld, chain filter_INPUT \(kept by firewalld\) drops what clients send to tcp\/10\.9\.0\.1:80 and 2 more by its rule \d+$/,
        ) as unknown,
        run: expect.stringContaining('firewall-cmd --zone=public --add-rich-rule ') as unknown,
      },
    ]),
    panic: {
      // What comes in is dropped before any hook that is looked at; what leaves says enough.
      closed: [
        {
          message: expect.stringMatching(
            /^OUTPUT, .*\(kept by firewalld\) drops what goes to tcp\/10\.2\.1\.2:8080 and 2 more/,
          ) as unknown,
          run: 'firewall-cmd --panic-off',
        },
      ],
      cured: [],
    },
  })
})

test('Docker: closed, opened in its chain for users, again after a reload and a restart, left as it was, and opened by its own command', {
  timeout: 300_000,
}, async () => {
  const { PATH, LD_LIBRARY_PATH } = await enginePrograms()
  const docker = `
rm -f /run/dockerd.log
PATH="${PATH}" LD_LIBRARY_PATH="${LD_LIBRARY_PATH}" dockerd --host unix:///run/engine/socket --data-root /run/engine/data --exec-root /run/engine/exec \\
  --pidfile /run/engine/pid --userland-proxy=false >/run/dockerd.log 2>&1 &
for try in $(seq 300); do grep -q 'API listen' /run/dockerd.log && break; sleep 0.2; done
grep -q 'API listen' /run/dockerd.log`
  const start = `mkdir /run/engine\necho 0 >/proc/sys/net/ipv4/ip_forward${docker}`
  const restart = `
kill $(cat /run/engine/pid)
while test -e /run/engine/pid; do sleep 0.2; done${docker}`
  const found = await beside(start, 'kill -HUP $(cat /run/engine/pid)', restart)
  const wanted = well([
    {
      message: expect.stringMatching(
        /^FORWARD, iptables-nft, chain FORWARD \(kept by docker\) may drop what comes back from tcp\/10\.2\.1\.2:8080 and 1 more/,
      ) as unknown,
      run: expect.stringMatching(/^iptables-nft -I DOCKER-USER .* && iptables-nft -I DOCKER-USER /) as unknown,
    },
  ])
  // It leaves the chain for users alone at each of its starts: nothing has to be opened again.
  expect(found).toEqual({ ...wanted, warnings: [] })
})
