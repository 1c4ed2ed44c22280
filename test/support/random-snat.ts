import fc from 'fast-check'
import type { DesiredService } from '../../src/model/desired-state.ts'
import { service } from './desired.ts'
import { translated } from './source-nat.ts'

const V4 = ['masquerade', '10.0.0.9', '10.0.0.10', '10.0.0.9-10.0.0.12']
const V6 = ['masquerade', 'fd00::9', 'fd00::9-fd00::12']
const BACKENDS = { ipv4: ['10.2.1.2:80', '10.2.2.2:80', '10.2.3.2:0'], ipv6: ['[fd00:2:1::2]:80', '[fd00:2:2::2]:0'] }

/** Which of a few places is used, and how; the same places in each table, so that tables meet. */
const place = (text: string, nats: readonly string[], backends: readonly string[] = []) =>
  fc
    .record({ nat: fc.constantFrom(...nats, 'none'), used: fc.subarray([...backends]), there: fc.boolean() })
    .map(({ nat, used, there }) => {
      if (!there) return undefined
      return nat === 'none' ? service(text, used) : translated(text, nat, used)
    })

/** Services with and without source NAT, of every kind that the table tells apart. */
export const randomServices: fc.Arbitrary<DesiredService[]> = fc
  .tuple(
    ...['tcp/10.9.0.1:80', 'udp/10.9.0.1:80', 'tcp/10.9.0.1:0', 'sctp/10.9.0.2:80'].map((text) => place(text, V4)),
    ...['tcp/[fd00:9::1]:80', 'udp/[fd00:9::1]:0'].map((text) => place(text, V6)),
    place('fwmark/7/ipv4', V4, BACKENDS.ipv4),
    place('fwmark/7/ipv6', V6, BACKENDS.ipv6),
    place('tcp/10.9.0.7:40000', V4),
  )
  .map((services) => services.filter((one): one is DesiredService => one !== undefined))
