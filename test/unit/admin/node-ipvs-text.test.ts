import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { NODE_IPVS_BACKENDS, NODE_IPVS_TOTALS, nodeIpvsText } from '../../../src/admin/node-ipvs-text.ts'
import type { ServiceIdentity } from '../../../src/model/virtual-service.ts'
import { parseExposition, sampleOf } from './exposition-parser.ts'
import { address, counters, destination, service, table, WEB } from './readings.ts'

async function families(totals: Parameters<typeof nodeIpvsText>[0], shown: ReturnType<typeof table>) {
  let text = ''
  for await (const piece of nodeIpvsText(totals, shown.values())) text += piece
  return parseExposition(text)
}

test("totals and backends have the names and labels of node_exporter's collector", async () => {
  const shown = await families(counters(10n), table(service(WEB, 1n, [destination('10.0.1.1', 1n, { weight: 5, active: 3 })])))
  expect([...shown.keys()]).toEqual([...NODE_IPVS_TOTALS, ...NODE_IPVS_BACKENDS].map(({ name }) => name))
  expect(sampleOf(shown, 'node_ipvs_connections_total')).toBe(10)
  expect(sampleOf(shown, 'node_ipvs_incoming_packets_total')).toBe(20)
  expect(sampleOf(shown, 'node_ipvs_outgoing_packets_total')).toBe(30)
  expect(sampleOf(shown, 'node_ipvs_incoming_bytes_total')).toBe(50)
  expect(sampleOf(shown, 'node_ipvs_outgoing_bytes_total')).toBe(70)
  expect(sampleOf(shown, 'node_ipvs_backend_connections_active')).toBe(3)
  expect(sampleOf(shown, 'node_ipvs_backend_connections_inactive')).toBe(2)
  expect(shown.get('node_ipvs_backend_weight')?.samples).toMatchObject([
    {
      value: 5,
      labels: {
        local_address: '10.0.0.1',
        local_port: '80',
        remote_address: '10.0.1.1',
        remote_port: '8080',
        proto: 'TCP',
        local_mark: '',
      },
    },
  ])
})

test('a mark is written as /proc/net/ip_vs writes it, and one mark of both families is one series', async () => {
  const mark = (family: 'ipv4' | 'ipv6'): ServiceIdentity => ({ kind: 'fwmark', fwmark: 0x1ab, family })
  const same = [destination('10.0.1.1', 1n, { weight: 2, active: 1 })]
  const shown = await families(undefined, table(service(mark('ipv4'), 1n, same), service(mark('ipv6'), 1n, same)))
  expect(shown.has('node_ipvs_connections_total')).toBe(false)
  const [only, ...more] = shown.get('node_ipvs_backend_weight')?.samples ?? []
  expect(more).toEqual([])
  expect(only).toMatchObject({ value: 4, labels: { local_address: '', local_port: '0', proto: 'FWM', local_mark: '000001AB' } })
  expect(sampleOf(shown, 'node_ipvs_backend_connections_active')).toBe(2)
})

test('IPv6 addresses stand without brackets', async () => {
  const six: ServiceIdentity = { kind: 'address', protocol: 'udp', address: address('2001:db8::1'), port: 53 }
  const shown = await families(undefined, table(service(six, 1n, [destination('2001:db8::2', 1n)])))
  expect(shown.get('node_ipvs_backend_weight')?.samples[0]?.labels).toMatchObject({
    local_address: '2001:db8::1',
    remote_address: '2001:db8::2',
    proto: 'UDP',
  })
})

test('docs/metrics.md lists them', () => {
  const documented = [...readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(node_ipvs_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  expect(documented).toEqual([...NODE_IPVS_TOTALS, ...NODE_IPVS_BACKENDS].map(({ name, type }) => `${name} ${type}`))
})
