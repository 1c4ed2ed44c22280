import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { openConntrackKernel } from '../../src/kernel/for-daemon.ts'
import type { OriginalDestination } from '../../src/kernel/for-sinks.ts'
import type { IpAddress } from '../../src/model/address.ts'
import type { NetfilterCheck } from './netfilter-contract.ts'

/** Both families are tracked because a rule asks for the state of a flow; flows to port 5301 get another source. */
const RULES = `table inet witness {
  chain out {
    type filter hook output priority filter
    ct state new
  }
  chain post {
    type nat hook postrouting priority srcnat;
    udp dport 5301 snat ip to 127.0.0.9
    tcp dport 5301 snat ip to 127.0.0.9
  }
}
`
const target = (protocol: 'tcp' | 'udp', address: string, port: number): OriginalDestination => ({
  protocol,
  address: address as IpAddress,
  port,
})

/** `udp 127.0.0.1:5300` of every entry's original direction, from the kernel's own list. */
function entries(to = ''): string[] {
  return readFileSync('/proc/net/nf_conntrack', 'utf8')
    .split('\n')
    .map((line) => line.match(/^ipv[46] +\d+ (\w+) .*?dst=(\S+) sport=\d+ dport=(\d+)/))
    .filter((match) => match !== null)
    .map(([, protocol, address, port]) => `${protocol} ${address}:${port}`)
    .filter((entry) => entry.includes(to))
    .toSorted()
}

function track(): void {
  execFileSync('/usr/sbin/nft', [RULES])
}

async function sendUdp(socket: Socket, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send('x', port, address, (error) => (error && !/ECONNREFUSED/.test(error.message) ? reject(error) : resolve()))
  })
}

export const CONNTRACK_CONTRACT: readonly NetfilterCheck[] = [
  {
    name: 'entries of the targets without source translation are deleted, and no others',
    run: async () => {
      track()
      await using kernel = openConntrackKernel()
      const four = createSocket('udp4')
      const six = createSocket('udp6')
      const servers = [createServer().listen(5300, '127.0.0.1'), createServer().listen(5301, '127.0.0.1')]
      await Promise.all(servers.map((server) => server.listening || once(server, 'listening')))
      const clients = [connect(5300, '127.0.0.1'), connect(5301, '127.0.0.1')]
      await Promise.all(clients.map((client) => once(client, 'connect')))
      for (const port of [5300, 5301, 5302]) await sendUdp(four, '127.0.0.1', port)
      await sendUdp(four, '127.0.0.2', 5300)
      for (const port of [5300, 5302]) await sendUdp(six, '::1', port)
      const before = entries()
      assert.equal(before.length, 8, before.join('\n'))
      assert.deepEqual(kernel.usage()?.count, 8)
      const udp = [target('udp', '127.0.0.1', 5300), target('udp', '127.0.0.1', 5301), target('udp', '::1', 5300)]
      assert.equal(await kernel.deleteUntranslated(udp), 2)
      const left = [
        'tcp 127.0.0.1:5300',
        'tcp 127.0.0.1:5301',
        'udp 0000:0000:0000:0000:0000:0000:0000:0001:5302',
        'udp 127.0.0.1:5301',
        'udp 127.0.0.1:5302',
        'udp 127.0.0.2:5300',
      ]
      assert.deepEqual(entries(), left)
      // Both were answered, one of them untranslated: it works as it is.
      assert.equal(await kernel.deleteUntranslated([target('tcp', '127.0.0.1', 5300), target('tcp', '127.0.0.1', 5301)]), 0)
      assert.deepEqual(entries(), left)
      assert.equal(await kernel.deleteUntranslated(udp), 0)
      assert.equal(await kernel.deleteUntranslated([]), 0)
      for (const each of [...clients, ...servers]) each instanceof Object && 'destroy' in each ? each.destroy() : each.close()
      for (const socket of [four, six]) socket.close()
    },
  },
  {
    name: 'of thousands of entries all that are meant go',
    run: async () => {
      track()
      await using kernel = openConntrackKernel()
      const socket = createSocket('udp4')
      const PORTS = 3000
      for (let port = 10_000; port < 10_000 + PORTS; port++) await sendUdp(socket, '127.0.0.3', port)
      socket.close()
      assert.equal(entries('127.0.0.3').length, PORTS)
      const meant = Array.from({ length: PORTS / 2 }, (_, index) => target('udp', '127.0.0.3', 10_000 + 2 * index))
      assert.equal(await kernel.deleteUntranslated(meant), PORTS / 2)
      assert.equal(entries('127.0.0.3').length, PORTS / 2)
      assert.ok(entries('127.0.0.3').every((entry) => Number(entry.split(':')[1]) % 2 === 1))
      assert.ok((kernel.usage()?.max ?? 0) > PORTS)
    },
  },
]
