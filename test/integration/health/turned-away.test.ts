/** Backends whose host, or a firewall on the way, turns a probe away by ICMP; in a network namespace of this machine. */

import { describe, expect, test } from 'vitest'
import { udpProbe } from '../../../src/health/udp.ts'
import { command } from '../../lab/command.ts'
import { namespacesHere } from '../doctor-director.ts'
import { address } from './bad-servers.ts'

const SOURCES = new URL('../../../src/health/', import.meta.url).href

/** Asks 127.0.0.1 and ::1 in each way that there is, where nftables turns everybody away. */
const PROGRAM = `
  const [{ tcpProbe }, { smtpProbe }, { udpProbe }] = await Promise.all(
    ['tcp', 'smtp', 'udp'].map((name) => import('${SOURCES}' + name + '.ts')),
  )
  const found = {}
  const ask = async (name, probe) => {
    const result = await probe(AbortSignal.timeout(1_500))
    found[name] = result.failure ?? result.message ?? result.outcome
  }
  const target = (address) => ({ address, port: 9 })
  await ask('a socket of our own', tcpProbe(target('127.0.0.1')))
  await ask('a socket of Node', smtpProbe(target('127.0.0.1'), { kind: 'smtp', helo: 'x' }))
  await ask('datagrams', udpProbe(target('127.0.0.1'), { kind: 'udp', send: 'x' }))
  await ask('datagrams over IPv6', udpProbe(target('::1'), { kind: 'udp', send: 'x' }))
  console.log(JSON.stringify(found))
`

async function turnedAway(icmp: string, icmpv6: string): Promise<unknown> {
  const reject = (daddr: string, how: string) => `nft add rule inet t i ${daddr} meta l4proto '{ tcp, udp }' reject with ${how}`
  const script = [
    'ip link set lo up',
    'nft add table inet t',
    "nft add chain inet t i '{ type filter hook input priority 0; }'",
    reject('ip daddr 127.0.0.1', `icmp type ${icmp}`),
    reject('ip6 daddr ::1', `icmpv6 type ${icmpv6}`),
    'exec "$0" --no-warnings --input-type=module --eval "$1"',
  ].join(' && ')
  return JSON.parse(await command(['unshare', '--net', 'sh', '-c', script, process.execPath, PROGRAM]))
}

describe.skipIf(!namespacesHere)('a host that turns probes away', () => {
  test.each([
    ['admin-prohibited', 'admin-prohibited'],
    ['host-prohibited', 'policy-fail'],
    ['prot-unreachable', 'reject-route'],
  ])('by ICMP (%s, %s) cannot be connected to', async (icmp, icmpv6) => {
    expect(await turnedAway(icmp, icmpv6)).toEqual({
      'a socket of our own': 'unreachable',
      'a socket of Node': 'unreachable',
      datagrams: 'unreachable',
      'datagrams over IPv6': 'unreachable',
    })
  })
})

test('what this machine itself forbids says nothing of the backend', async () => {
  // Datagrams to all need a socket option that probes do not set.
  const all = { address: address('127.255.255.255'), port: 9 }
  expect(await udpProbe(all, { kind: 'udp', send: 'x' })(AbortSignal.timeout(1_500))).toEqual({
    outcome: 'unknown',
    message: 'no connection to 127.255.255.255:9 could be tried (EACCES)',
  })
})
