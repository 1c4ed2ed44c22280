/** The rules that other tests take for those of Docker are the ones that its real engine makes. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command } from '../lab/command.ts'
import { unpackedIptables } from '../peers/iptables.ts'
import { dockerLines } from '../support/filters/rule-sets.ts'
import { enginePrograms } from './support/engine.ts'

/** All of it ends with the process namespace. The engine says `API listen` when its rules are there. */
const SCRIPT = `
ip link set lo up
mount -t tmpfs engine "$1/inside"
echo 0 >/proc/sys/net/ipv4/ip_forward
LD_LIBRARY_PATH="$2" dockerd --host "unix://$1/inside/socket" --data-root "$1/inside/data" --exec-root "$1/inside/exec" --pidfile "$1/inside/pid" \\
  --userland-proxy=false >"$1/log" 2>&1 &
for try in $(seq 600); do grep -q 'API listen' "$1/log" && break; sleep 0.1; done
iptables-save -t filter || { cat "$1/log" >&2; exit 1; }
`

test('Docker lets through what its containers need, drops the rest at FORWARD, and leads to DOCKER-USER first', async () => {
  const { PATH, LD_LIBRARY_PATH } = await enginePrograms()
  const { path, env } = await unpackedIptables()
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-docker-'))
  try {
    for (const name of ['bin', 'inside']) mkdirSync(join(dir, name))
    const settings = Object.entries(env).map(([name, value]) => `export ${name}=${value}`)
    for (const name of ['iptables', 'ip6tables', 'iptables-save'])
      writeFileSync(
        join(dir, 'bin', name),
        ['#!/bin/sh', ...settings, `exec ${path}/${name.replace('tables', 'tables-nft')} "$@"`, ''].join('\n'),
        { mode: 0o755 },
      )
    const apart = ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
    const found = await command(
      ['env', `PATH=${join(dir, 'bin')}:${PATH}`, ...apart, 'sh', '-uc', SCRIPT, 'sh', dir, LD_LIBRARY_PATH],
      { timeoutMs: 120_000 },
    )
    const lines = found
      .replaceAll(/\[\d+:\d+\]/g, '[0:0]')
      .trimEnd()
      .split('\n')
    expect(lines.filter((line) => !line.startsWith('#'))).toEqual(dockerLines())
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
