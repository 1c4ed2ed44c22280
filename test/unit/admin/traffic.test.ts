import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { TrafficLedger, type TrafficView } from '../../../src/admin/traffic-ledger.ts'
import { BACKEND_FAMILIES, SERVICE_FAMILIES, trafficText } from '../../../src/admin/traffic-text.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import { parseExposition, sampleOf } from './exposition-parser.ts'
import { address, destination, largeTable, service, table, WEB } from './readings.ts'

const NAMES = new Map<ServiceKey, string>([[serviceKey(WEB), 'web']])

async function textOf(view: TrafficView): Promise<string> {
  let text = ''
  for await (const piece of trafficText(view)) text += piece
  return text
}

async function scrape(ledger: TrafficLedger, ...args: Parameters<TrafficLedger['take']>) {
  return parseExposition(await textOf(await ledger.take(...args)))
}

describe('series of services and backends', () => {
  test('every family is there, each value under its own name', async () => {
    const families = await scrape(
      new TrafficLedger(true),
      table(service(WEB, 100n, [destination('10.0.1.1', 11n, { weight: 5, active: 3 }), destination('10.0.1.2', 13n)])),
      NAMES,
    )
    expect([...families.keys()]).toEqual([...SERVICE_FAMILIES, ...BACKEND_FAMILIES].map(({ name }) => name))
    const backend = { service: 'web', vip: '10.0.0.1:80', protocol: 'tcp', backend: '10.0.1.1:8080' }
    expect(sampleOf(families, 'pointsman_backend_weight', backend)).toBe(5)
    expect(sampleOf(families, 'pointsman_backend_active_connections', backend)).toBe(3)
    expect(sampleOf(families, 'pointsman_backend_inactive_connections', backend)).toBe(2)
    expect(sampleOf(families, 'pointsman_backend_connections_total', backend)).toBe(11)
    expect(sampleOf(families, 'pointsman_backend_incoming_packets_total', backend)).toBe(22)
    expect(sampleOf(families, 'pointsman_backend_outgoing_packets_total', backend)).toBe(33)
    expect(sampleOf(families, 'pointsman_backend_incoming_bytes_total', backend)).toBe(55)
    expect(sampleOf(families, 'pointsman_backend_outgoing_bytes_total', backend)).toBe(77)
    expect(sampleOf(families, 'pointsman_service_backends')).toBe(2)
    expect(sampleOf(families, 'pointsman_service_weight')).toBe(6)
    expect(sampleOf(families, 'pointsman_service_active_connections')).toBe(3)
    expect(sampleOf(families, 'pointsman_service_connections_total')).toBe(100)
    expect(sampleOf(families, 'pointsman_service_outgoing_bytes_total')).toBe(700)
  })

  test('weights that the kernel has a hundred times are shown as they are written', async () => {
    const reading = table(
      service(WEB, 1n, [destination('10.0.1.1', 1n, { weight: 500 }), destination('10.0.1.2', 1n, { weight: 50 })]),
    )
    const families = await scrape(new TrafficLedger(true), reading, NAMES, (key) => (key === serviceKey(WEB) ? 100 : 1))
    expect(families.get('pointsman_backend_weight')?.samples.map(({ value }) => value)).toEqual([5, 0.5])
    expect(sampleOf(families, 'pointsman_service_weight')).toBe(5.5)
  })

  test('a backend that was re-created between two scrapes counts on', async () => {
    const ledger = new TrafficLedger(true)
    await scrape(ledger, table(service(WEB, 10n, [destination('10.0.1.1', 10n)])), NAMES)
    const families = await scrape(ledger, table(service(WEB, 12n, [destination('10.0.1.1', 2n)])), NAMES)
    expect(sampleOf(families, 'pointsman_backend_connections_total')).toBe(12)
    expect(sampleOf(families, 'pointsman_service_connections_total')).toBe(12)
  })

  test('series go with their object, and one that returns begins anew', async () => {
    const ledger = new TrafficLedger(true)
    const both = table(service(WEB, 9n, [destination('10.0.1.1', 4n), destination('10.0.1.2', 5n)]))
    await scrape(ledger, both, NAMES)
    const one = await scrape(ledger, table(service(WEB, 9n, [destination('10.0.1.1', 4n)])), NAMES)
    expect(one.get('pointsman_backend_weight')?.samples).toHaveLength(1)
    const again = await scrape(ledger, table(service(WEB, 9n, [destination('10.0.1.2', 1n)])), NAMES)
    expect(sampleOf(again, 'pointsman_backend_connections_total', { backend: '10.0.1.2:8080' })).toBe(1)
    expect(await textOf(await ledger.take(table(), NAMES))).toBe('')
  })

  test('services that are not ours have no series', async () => {
    const dns: ServiceIdentity = { kind: 'address', protocol: 'udp', address: address('10.0.0.2'), port: 53 }
    const families = await scrape(new TrafficLedger(true), table(service(WEB, 1n, []), service(dns, 1n, [])), NAMES)
    expect(families.get('pointsman_service_backends')?.samples).toHaveLength(1)
  })

  test('a new name changes the label and keeps the counters', async () => {
    const ledger = new TrafficLedger(true)
    const reading = table(service(WEB, 10n, [destination('10.0.1.1', 10n)]))
    await scrape(ledger, reading, NAMES)
    const zeroed = table(service(WEB, 1n, [destination('10.0.1.1', 1n)]))
    const families = await scrape(ledger, zeroed, new Map([[serviceKey(WEB), 'shop']]))
    expect(sampleOf(families, 'pointsman_backend_connections_total', { service: 'shop' })).toBe(11)
    expect(sampleOf(families, 'pointsman_service_connections_total', { service: 'shop' })).toBe(11)
  })

  test('without per-backend series only the services are left', async () => {
    const families = await scrape(new TrafficLedger(false), largeTable(3), NAMES)
    expect([...families.keys()]).toEqual(SERVICE_FAMILIES.map(({ name }) => name))
    expect(sampleOf(families, 'pointsman_service_backends')).toBe(3)
  })

  test('IPv6, firewall marks and hostile names are labelled so that a parser reads them back', async () => {
    const mark: ServiceIdentity = { kind: 'fwmark', fwmark: 7, family: 'ipv6' }
    const six: ServiceIdentity = { kind: 'address', protocol: 'sctp', address: address('2001:db8::1'), port: 443 }
    const names = new Map<ServiceKey, string>([
      [serviceKey(mark), 'a"b\\c\nd'],
      [serviceKey(six), 'six'],
    ])
    const families = await scrape(new TrafficLedger(true), table(service(mark, 1n, []), service(six, 2n, [])), names)
    const samples = families.get('pointsman_service_backends')?.samples.map(({ labels }) => labels)
    expect(samples).toEqual([
      { service: 'a"b\\c\nd', vip: 'fwmark/7/ipv6', protocol: 'fwmark' },
      { service: 'six', vip: '[2001:db8::1]:443', protocol: 'sctp' },
    ])
  })
})

test('10,000 backends leave everything else its turn after each slice of work', async () => {
  const reading = largeTable(10_000)
  const ledger = new TrafficLedger(true)
  // By this clock a slice is over at each look at it.
  let clock = 0
  vi.spyOn(performance, 'now').mockImplementation(() => (clock += 1000))
  onTestFinished(() => void vi.restoreAllMocks())
  let lines = 0
  const turns = await turnsDuring(async () => {
    for await (const piece of trafficText(await ledger.take(reading, NAMES))) lines += piece.split('\n').length - 1
  })
  expect(lines).toBe(10_000 * BACKEND_FAMILIES.length + SERVICE_FAMILIES.length + families())
  // Each backend is taken, hashed and written once for each family; the clock is looked at after 32 of them.
  expect(turns).toBeGreaterThan((10_000 * (BACKEND_FAMILIES.length + 2)) / 32 - 10)
})

/** HELP and TYPE of each family. */
function families(): number {
  return 2 * (BACKEND_FAMILIES.length + SERVICE_FAMILIES.length)
}

/** How often something else got its turn on this thread. */
async function turnsDuring(work: () => Promise<void>): Promise<number> {
  let turns = 0
  let running = true
  const look = (): void => {
    turns++
    if (running) setImmediate(look)
  }
  setImmediate(look)
  await work()
  running = false
  return turns
}
