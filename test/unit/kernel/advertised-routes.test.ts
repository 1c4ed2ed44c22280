import { expect, test } from 'vitest'
import { advertisedDefaults } from '../../../src/kernel/advertised-routes.ts'

const NOWHERE = '0'.repeat(32)
const ROUTER = 'fe80000000000000000000000000000f'

/** A line of /proc/net/ipv6_route. */
function route(flags: string, link: string, destination = NOWHERE, length = '00'): string {
  return `${destination} ${length} ${NOWHERE} 00 ${ROUTER} 00000400 00000001 00000000 ${flags} ${link.padStart(8)}\n`
}

test('default routes from router advertisements, each interface once', () => {
  const text = [
    route('00450003', 'eth0'),
    route('00450003', 'eth0'),
    route('00450003', 'eth1.7'),
    // By hand, or by a network service that reads advertisements itself.
    route('00000003', 'eth2'),
    // A network that was advertised: it is no default route.
    route('00440001', 'eth3', '20010db8000000000000000000000000', '40'),
    route('00200200', 'lo', NOWHERE, '00'),
  ].join('')
  expect(advertisedDefaults(text)).toEqual(['eth0', 'eth1.7'])
  expect(advertisedDefaults('')).toEqual([])
})
