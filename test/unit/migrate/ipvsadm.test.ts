import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { importIpvsadm } from '../../../src/migrate/ipvsadm.ts'
import { importLiveTable } from '../../../src/migrate/live-table.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { parseSave } from '../../support/ipvsadm.ts'
import { outcome } from './support.ts'

const imported = (text: string) => outcome(importIpvsadm('table', text))

async function one(lines: string): Promise<ServiceSpec> {
  const { configuration, leftOut } = await imported(lines)
  expect(leftOut).toEqual([])
  const [service] = configuration.services
  if (service === undefined) throw new Error('no service')
  return service
}

const SAVED = `-A -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 10.0.1.1:8080 -m -w 5
-a -t 10.0.0.1:80 -r 10.0.1.2:8080 -m -w 0
-A -u [2001:db8::1]:53 -s sh -b sh-port -o
-a -u [2001:db8::1]:53 -r [2001:db8:1::1]:53 -g -w 1
-A -f 7 -s wlc
-a -f 7 -r 10.0.1.3:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-A -f 8 -6 -s rr
-A --sctp-service 10.0.0.3:9 -s mh
`

describe('a service that is there already', () => {
  const twice = (between: string) =>
    `-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m\n${between}-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m\n`

  it('keeps its backends, and the second one is listed', async () => {
    const { configuration, leftOut } = await imported(twice(''))
    expect(configuration.services).toMatchObject([{ scheduler: 'wrr' }])
    expect([...(configuration.services[0]?.backends.keys() ?? [])]).toHaveLength(2)
    expect(leftOut).toEqual([
      expect.stringMatching(/^table:3: -A -t 10\.0\.0\.1:80 -s rr: this service is there already, by line 1; ipvsadm refuses it/),
    ])
  })

  it('is not there any more where the table was emptied in between', async () => {
    const { configuration, leftOut } = await imported(twice('-C\n'))
    expect(configuration.services).toMatchObject([{ scheduler: 'rr' }])
    expect([...(configuration.services[0]?.backends.keys() ?? [])]).toHaveLength(1)
    expect(leftOut).toEqual([])
  })

  it('has no backend twice, and is told of without a line of what was never a file', async () => {
    const { leftOut } = await imported(
      '-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m\n-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m\n',
    )
    expect(leftOut).toEqual([
      'table:3: backend 10.0.1.2:80 of tcp/10.0.0.1:80: 10.0.1.2:80 is listed twice; keep one of the two in the configuration',
    ])
  })
})

describe('a saved table', () => {
  it('becomes a configuration with everything in it, and without health checks', async () => {
    const { configuration, leftOut, text } = await imported(SAVED)
    expect(leftOut).toEqual([])
    expect(configuration.services.map(({ name }) => name)).toEqual([
      'tcp/10.0.0.1:80',
      'udp/[2001:db8::1]:53',
      'fwmark/7/ipv4',
      'fwmark/8/ipv6',
      'sctp/10.0.0.3:9',
    ])
    expect(configuration.services[0]).toMatchObject({
      scheduler: 'wrr',
      persistence: { timeout: 300, mask: 0xffffff00 },
      checks: [],
    })
    expect([...(configuration.services[0]?.backends.values() ?? [])].map(({ weight }) => weight)).toEqual([5, 0])
    expect(configuration.services[1]).toMatchObject({ onePacket: true, flags: { flag1: false, flag2: true, flag3: false } })
    expect([...(configuration.services[2]?.backends.values() ?? [])]).toMatchObject([
      { forwarding: { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'checksum' } } },
    ])
    expect(configuration.services[4]).toMatchObject({ scheduler: 'mh', flags: { flag1: false } })
    expect(text).toContain('# A table says nothing of health checks.')
  })

  it('is the same table as another reading of it finds', async () => {
    const table = parseSave(SAVED)
    const { configuration } = await imported(SAVED)
    expect(configuration.services.map(({ identity }) => serviceKey(identity))).toEqual([...table.keys()])
    for (const { identity, scheduler, backends } of configuration.services) {
      const reading = table.get(serviceKey(identity))
      expect(scheduler).toBe(reading?.service.scheduler)
      expect([...backends.keys()]).toEqual([...(reading?.destinations.keys() ?? [])])
    }
  })

  it.each<[string, object]>([
    ['-A -t 10.0.0.1:80', { scheduler: 'wlc' }],
    ['-A -t 10.0.0.1:80 -p', { persistence: { timeout: 300, mask: 0xffffffff } }],
    ['--add-service --tcp-service=10.0.0.1:80 --scheduler=rr --persistent=60', { scheduler: 'rr', persistence: { timeout: 60 } }],
    ['ipvsadm -A -t 10.0.0.1:http -s rr', { identity: { port: 80 } }],
    ['/sbin/ipvsadm -A -u 10.0.0.1:5060 -p 9 --pe sip', { persistence: { engine: 'sip' } }],
    ['-A -t [fd00::1]:80 -p 60 -M 64', { persistence: { mask: 64 } }],
    ['-A -t 10.0.0.1:0 -p 60', { identity: { port: 0 } }],
  ])('%s', async (line, expected) => {
    expect(await one(`# by hand\n\n${line}`)).toMatchObject(expected)
  })

  it.each<[string, object]>([
    ['-r 10.0.1.1 ', { port: 80, forwarding: { method: 'direct' }, weight: 1 }],
    ['-r 10.0.1.1:http -m', { port: 80 }],
    ['-r 10.0.1.1:8080 -m -x 100 -y 50', { port: 8080, upperThreshold: 100, lowerThreshold: 50 }],
    ['-r 10.0.1.1:80 -i', { forwarding: { tunnel: { type: 'ipip' } } }],
    ['-r 10.0.1.1:80 -i --tun-type gre --tun-nocsum', { forwarding: { tunnel: { type: 'gre', checksum: 'none' } } }],
    ['-r 10.0.1.1:8080 -g', { port: 80 }],
  ])('a server: %s', async (options, expected) => {
    const service = await one(`-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 ${options}`)
    expect([...service.backends.values()]).toMatchObject([expected])
  })

  it('timeouts and daemons that cannot be have their lines', async () => {
    const { leftOut } = await imported(
      '-A -t 10.0.0.1:80\n--set 900 0 99999999\n--start-daemon master --mcast-interface eth1 --syncid 999\n',
    )
    expect(leftOut).toEqual([expect.stringMatching(/:2: ipvs.udp_timeout: /), expect.stringMatching(/:3: ipvs.sync_daemons: /)])
  })

  it('timeouts and daemons, as scripts set them', async () => {
    const { configuration } = await imported('--set 900 0 300\n--start-daemon master --mcast-interface eth1 --syncid 3\n-C\n')
    expect(configuration.ipvs).toEqual({
      timeouts: { tcp: 900, udp: 300 },
      syncDaemons: [{ role: 'master', interface: 'eth1', id: 3 }],
    })
  })

  it.each([
    ['-a -t 10.0.0.9:80 -r 10.0.1.1:80 -m', /table:2: -a -t 10.*: no line before it adds its service/],
    ['-A -t www.example:80 -s rr', /names of hosts and ports are not looked up; write the table by `ipvsadm -Sn/],
    ['-A -t 10.0.0.9:gopher -s rr', /names of hosts and ports/],
    ['-A -f mark', /the firewall mark is no number/],
    ['-A -s rr', /it names no service/],
    ['-D -t 10.0.0.1:80', /only what makes a table is read/],
    ['TCP 10.0.0.1:80 rr', /this is no line that ipvsadm -S writes/],
    ['-A -t 10.0.0.9:80 --frob', /--frob: nothing is known of this option/],
    ['-A -t 10.0.0.9:80 -s magic', /scheduler of tcp\/10\.0\.0\.9:80: "magic" is not known/],
    ['-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 70000', /backend 10\.0\.1\.1:80 of tcp.*70000 is above 65535/],
    ['-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w many', /backend 10\.0\.1\.1:80 of tcp/],
    ['--set 1 2 x', /--set has three numbers/],
  ])('%s is listed', async (line, sentence) => {
    const { leftOut } = await imported(`-A -t 10.0.0.1:80 -s rr\n${line}`)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('that is none is refused, and an empty one is an empty table', async () => {
    expect(() => importIpvsadm('table', 'virtual_server 10.0.0.1 80 {\n}\n')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', exitCode: 32 }),
    )
    expect((await imported('\n')).configuration.services).toEqual([])
  })

  it('of any words either loads or is refused in words', async () => {
    const words = fc.constantFrom(
      '-A',
      '-a',
      '-t',
      '-u',
      '-f',
      '-s',
      'rr',
      '-r',
      '10.0.0.1:80',
      '[fd00::1]:80',
      '-m',
      '-w',
      '-p',
      '5',
      '\n',
      '-M',
      '--set',
      '-b',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 25 }), async (parts) => {
        try {
          await imported(parts.join(' '))
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
        }
      }),
    )
  })
})

describe('the live table', () => {
  const live = {
    table: parseSave(SAVED),
    timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
    syncDaemons: [{ role: 'backup', interface: 'eth0', id: 0, maximumLength: 1464 } as const],
    names: new Map([[serviceKey({ kind: 'fwmark', fwmark: 7, family: 'ipv4' }), 'marked']]),
  }

  it('becomes the same as the table that ipvsadm saves, with names, timeouts and daemons', async () => {
    const { configuration, leftOut } = await outcome(importLiveTable(live))
    const saved = (await imported(SAVED)).configuration
    const bare = ({ name, ...rest }: ServiceSpec) => rest
    expect(configuration.services.map(bare)).toEqual(saved.services.map(bare))
    expect(configuration.services[2]?.name).toBe('marked')
    expect(configuration.ipvs).toMatchObject({ timeouts: live.timeouts, syncDaemons: live.syncDaemons })
    expect(leftOut).toEqual([])
  })

  it('lists what only a newer kernel understands', async () => {
    const [[key, reading] = []] = [...live.table]
    if (key === undefined || reading === undefined) throw new Error('no service')
    const [[backend, entry] = []] = [...reading.destinations]
    if (backend === undefined || entry === undefined) throw new Error('no destination')
    const unknown = { method: 'unknown', code: 9, tunnelType: 0, tunnelPort: 0, tunnelFlags: 0 } as const
    const destination = { ...entry.destination, forwarding: unknown }
    const service = { ...reading.service, scheduler: 'homemade' }
    const destinations = new Map([[backend, { ...entry, destination }]])
    const { leftOut } = await outcome(importLiveTable({ ...live, table: new Map([[key, { service, destinations }]]) }))
    expect(leftOut).toEqual([
      expect.stringMatching(/^the live table: scheduler of tcp\/10\.0\.0\.1:80: "homemade" is not known/),
      expect.stringMatching(/^the live table: backend 10\.0\.1\.1:80/),
    ])
  })
})
