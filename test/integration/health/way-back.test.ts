/** By which interface the answers of a backend come in, in a network namespace of this machine. */

import { describe, expect, test } from 'vitest'
import { command } from '../../lab/command.ts'
import { namespacesHere } from '../doctor-director.ts'

const SOURCES = new URL('../../../src/', import.meta.url).href

/** What `expression` is, in a namespace made ready by the lines of `setUp`; `it` is the module. */
async function inNamespace(setUp: readonly string[], module: string, expression: string): Promise<unknown> {
  const program = `const it = await import('${SOURCES}${module}'); console.log(JSON.stringify(${expression}))`
  const script = ['ip link set lo up', ...setUp, 'exec "$0" --no-warnings --input-type=module --eval "$1"'].join(' && ')
  return JSON.parse(await command(['unshare', '--net', 'sh', '-c', script, process.execPath, program]))
}

const LINK = [
  'ip link add br0.7 type bridge',
  'ip link set br0.7 up',
  'ip address add 10.1.0.1/24 dev br0.7',
  'ip address add fd00::1/64 dev br0.7 nodad',
]

describe.skipIf(!namespacesHere)('the interface', () => {
  test('that leads to an address is that of the route, wherever addresses of this host are', async () => {
    const ways = ['10.1.0.9', 'fd00::9', '10.9.0.1', '127.0.0.1', '192.0.2.1', 'fd01::1']
    const route = ['ip address add 10.255.0.1/32 dev lo', 'ip route add 10.9.0.0/16 via 10.1.0.9 src 10.255.0.1']
    expect(
      await inNamespace(
        [...LINK, ...route],
        'kernel/rtnetlink/link-towards.ts',
        `${JSON.stringify(ways)}.map((way) => it.linkTowards(way) ?? null)`,
      ),
    ).toEqual(['br0.7', 'br0.7', 'br0.7', 'lo', null, null])
  })

  test('that has an address is no label of it', async () => {
    const labelled = ['ip address add 10.255.0.1/32 dev lo label lo:probes']
    expect(await inNamespace(labelled, 'health/source-address.ts', "it.interfaceWith('10.255.0.1')")).toBe('lo')
  })

  test('has another address for probes where its route would have a virtual one as the source', async () => {
    const route = ['ip address add 10.9.0.1/32 dev lo', 'ip route replace 10.1.0.0/24 dev br0.7 src 10.9.0.1']
    const road = `{ towards: '10.1.0.9', sources: SOURCES, isVirtual: (one) => one === '10.9.0.1', leavesBy: () => 'br0.7', stands: async () => true, lacks: () => undefined }`
    const ask = '(target) => async () => target.sourceAddress'
    const probe = (sources: string) =>
      `await it.throughVip({ address: '10.9.0.1', port: 80, mark: 1 }, ${road.replace('SOURCES', sources)}, ${ask})(AbortSignal.timeout(9_000))`
    expect(await inNamespace([...LINK, ...route], 'health/through-vip.ts', `[${probe('[]')}, ${probe("['10.9.0.1']")}]`)).toEqual(
      [
        '10.1.0.1',
        { outcome: 'unknown', message: expect.stringContaining('10.9.0.1 is a virtual address, from which no probe can come') },
      ],
    )
  })
})
