import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { importEzlb } from '../../../src/migrate/ezlb.ts'
import { loaded } from '../config/support.ts'
import { outcome, parsed } from './support.ts'

const fixture = (name: string) => readFileSync(new URL(`../config/fixtures/${name}`, import.meta.url), 'utf8')
const imported = (text: string) => outcome(importEzlb(parsed(text)))
const service = (keys: string) =>
  imported(
    `services:\n  - { name: web, listen: 10.0.0.1:80, scheduler: rr, backends: [{ address: 10.0.1.1:80, weight: 1 }], ${keys} }\n`,
  )

describe.each(['ezlb-like.yaml', 'ezlb-short.yaml'])('%s', (name) => {
  it('comes to the same services as when it is loaded unchanged, but for what ezlb does with backends that fail', async () => {
    const { configuration } = await imported(fixture(name))
    const unchanged = loaded(fixture(name))
    // How files of the log are called is not the same in both.
    const { logMaxSize } = configuration.settings
    expect(configuration.settings).toEqual({ ...unchanged.settings, logMaxSize })
    for (const [index, spec] of configuration.services.entries()) {
      const { checks, policy, ...rest } = spec
      const same = unchanged.services[index]
      expect(rest).toEqual(expect.objectContaining({ name: same?.name, identity: same?.identity, scheduler: same?.scheduler }))
      expect(spec.backends).toEqual(same?.backends)
      expect(checks.map(({ interval, timeout, rise, fall }) => ({ interval, timeout, rise, fall }))).toEqual(
        same?.checks.map(({ interval, timeout, rise, fall }) => ({ interval, timeout, rise, fall })),
      )
      expect(policy).toMatchObject({ onDown: 'remove', maxEjection: 100, panic: 'off' })
    }
  })
})

describe('keys', () => {
  it.each<[string, object[]]>([
    ['health_check: { enabled: false }', []],
    ['health_check: { enabled: true }', [{ probe: { kind: 'tcp' } }]],
    [
      'health_check: { type: http, http_path: /h, http_expected_status: 204 }',
      [{ probe: { kind: 'http', path: '/h', status: [{ from: 204, to: 204 }], redirects: { most: 10 } } }],
    ],
    ['health_check: { type: http }', [{ probe: { kind: 'http', path: '/' } }]],
    [
      'health_check: { fail_count: 5, rise_count: 4, interval: 9s, timeout: 2s }',
      [{ fall: 5, rise: 4, interval: 9000, timeout: 2000 }],
    ],
    ['protocol: udp', []],
    ['protocol: udp, health_check: { enabled: false }', []],
  ])('%s', async (keys, checks) => {
    const { configuration, leftOut } = await service(keys)
    expect(configuration.services[0]?.checks).toMatchObject(checks)
    expect(leftOut).toEqual([])
  })

  it.each([
    ['colour: blue', /input\.yaml:2: colour: blue: nothing is known of this key here/],
    ['health_check: { colour: blue }', /colour: blue/],
    ['scheduler: fastest', /scheduler of web: "fastest" is not known/],
    ['protocol: icmp', /service web: "icmp" is not known/],
    ['health_check: { interval: 0s }', /health_check of web: 0s is below 100ms/],
    ['snat_ip: 10.0.0.9', /snat_ip of web: snat_ip has no meaning without full_nat/],
  ])('%s is listed', async (keys, sentence) => {
    const text = `services:\n  - { name: web, listen: 10.0.0.1:80, backends: [], ${keys} }\n`
    const { leftOut } = await imported(text)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('of the whole', async () => {
    const { configuration, leftOut, text } = await imported(`global:
  admin_address: ""
  log: { level: debug, home: ./logs, traffic: { enabled: true } }
services: []
`)
    expect(configuration.settings).toMatchObject({ admin: 'off', logLevel: 'debug', onExit: 'keep' })
    expect(leftOut).toEqual([expect.stringMatching(/:3: home: \.\/logs/)])
    expect(text).toContain('# ezlb removes its services when it ends.')
  })

  it('in words that ezlb reads as true and false means the same here', async () => {
    const { configuration, leftOut } = await imported(`global: { cleanup_on_exit: "true" }
services:
  - { name: a, listen: 10.0.0.1:80, backends: [], full_nat: "true", traffic_log: "1", health_check: { enabled: "false" } }
  - { name: b, listen: 10.0.0.1:81, backends: [], full_nat: perhaps }`)
    const [a, b] = configuration.services
    expect(configuration.settings.onExit).toBe('remove')
    expect(a).toMatchObject({ fullNat: true, checks: [], trafficLog: { backends: true } })
    expect(b?.fullNat).toBe(false)
    expect(leftOut).toEqual([expect.stringMatching(/:4: full_nat: perhaps: it is neither true nor false; write one of the two/)])
  })

  it('of the second service and backend has the line of that one', async () => {
    const { leftOut } = await imported(`services:
  - name: a
    listen: 10.0.0.1:80
    backends:
      - { address: 10.0.1.1:80 }
      - { address: "http://me:hunter2@x:80" }
  - listen: 10.0.0.1:81
    backends: []`)
    expect(leftOut).toEqual([
      expect.stringMatching(/:6: backend http:\/\/\*\*\*@x:80 of a: /),
      expect.stringMatching(/:7: service 10.0.0.1:81: the service has no name/),
    ])
    expect(leftOut.join()).not.toContain('hunter2')
  })

  it('of the whole has its line where it is refused', async () => {
    const { leftOut } = await imported('global:\n  log_level: loud\n  admin_address: nowhere\nservices: []\n')
    expect(leftOut).toEqual([expect.stringMatching(/:2: log_level: "loud" is not known/), expect.stringMatching(/:3: admin: /)])
  })

  it.each([
    ['', { interval: 15_000, backends: true, idle: false }],
    ['traffic: { interval: 30s }', { interval: 30_000, backends: true, idle: false }],
    ['traffic: { enabled: false }', undefined],
  ])('the traffic log, with log: { %s }', async (traffic, log) => {
    const { configuration, leftOut } = await imported(
      `global: { log: { ${traffic} } }\nservices: [{ name: a, listen: 10.0.0.1:80, backends: [], traffic_log: true }]`,
    )
    expect(configuration.services[0]?.trafficLog).toEqual(log)
    expect(leftOut).toEqual([])
  })

  it('a dollar sign stands for itself', async () => {
    const { configuration } = await imported(`services: [{ name: "a \${x}", listen: 10.0.0.1:80, backends: [] }]`)
    expect(configuration.services[0]?.name).toBe(`a \${x}`)
  })
})
