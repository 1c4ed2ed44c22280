import type { IpAddress } from '../../../../src/model/address.ts'
import { parseAddress } from '../../../../src/model/address.ts'
import type { DnsSourceSpec, DnsSrvSourceSpec, DnsTrouble } from '../../../../src/model/dns-source-spec.ts'
import type { AddressRecord, SrvRecord } from '../../../../src/sources/dns/message.ts'
import type { Answer } from '../../../../src/sources/dns/resolver.ts'

export function ip(text: string): IpAddress {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

const options = {
  transport: 'auto',
  timeout: 2_000,
  refresh: { min: 5_000, max: 300_000 },
  retry: { min: 1_000, max: 30_000 },
  holdObsolete: 10_000,
  policies: { nxdomain: 30_000, nodata: 30_000, no_service: 0, servfail: 'hold', refused: 'hold', timeout: 'hold' },
} as const

/** As the configuration makes it by default. */
export function srvSpec(more: Partial<DnsSrvSourceSpec> = {}): DnsSrvSourceSpec {
  return { kind: 'dns_srv', name: '_http._tcp.web.example', zeroWeight: 'serve', ...options, ...more }
}

export function plainSpec(more: Partial<DnsSourceSpec> = {}): DnsSourceSpec {
  return { kind: 'dns', name: 'web.example', port: 8080, ...options, ...more }
}

/** `a 10.1.0.1` is an A record of a.example. */
export function address(host: string, text: string, ttl = 60): AddressRecord {
  return { name: `${host}.example`, type: text.includes(':') ? 'AAAA' : 'A', ttl, address: ip(text) }
}

export function srv(host: string, more: Partial<SrvRecord> = {}): SrvRecord {
  const target = host === '' ? '' : `${host}.example`
  return { name: '_http._tcp.web.example', type: 'SRV', ttl: 60, priority: 0, weight: 10, port: 8080, target, ...more }
}

export function records(list: readonly (AddressRecord | SrvRecord)[], more: Partial<Extract<Answer, { ok: true }>> = {}): Answer {
  return { ok: true, records: list, additionals: [], ttl: 60_000, complete: true, at: 0, ...more }
}

export function trouble(kind: Exclude<DnsTrouble, 'no_service'>, message: string = kind): Answer {
  return { ok: false, trouble: kind, message, at: 0 }
}
