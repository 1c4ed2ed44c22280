// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { describe, expect, it } from 'vitest'
import { importIpvsctl } from '../../../src/migrate/ipvsctl.ts'
import { renderImported } from '../../../src/migrate/render.ts'
import { outcome, parsed } from './support.ts'

const NONE = { files: [], urls: [] }
const imported = (text: string) => outcome(importIpvsctl(parsed(text), NONE))

it('a model with defaults', async () => {
  const { configuration, leftOut } = await imported(`
defaults: { port: 80, sched: wrr, forward: direct, weight: 2 }
services:
  - address: tcp://10.2.3.4
    destinations:
      - { address: 10.0.0.1, weight: 1 }
      - address: 10.0.0.2
      - { address: 10.0.0.3, weight: 0 }
  - address: udp://10.6.7.8:90
    sched: lc
    destinations:
      - { address: 10.0.1.1:99, forward: nat }
  - address: sctp://10.6.7.8:91
  - address: fwmark:7
    destinations:
      - { address: 10.0.1.1:81, forward: tunnel }
`)
  expect(leftOut).toEqual([])
  expect(configuration.services.map(({ name, scheduler, weight, checks }) => [name, scheduler, weight, checks])).toEqual([
    ['tcp/10.2.3.4:80', 'wrr', 2, []],
    ['udp/10.6.7.8:90', 'lc', 2, []],
    ['sctp/10.6.7.8:91', 'wrr', 2, []],
    ['fwmark/7/ipv4', 'wrr', 2, []],
  ])
  const direct = { method: 'direct' }
  expect(configuration.services.map(({ backends }) => [...backends.values()])).toEqual([
    [
      { address: '10.0.0.1', port: 80, weight: 1, forwarding: direct },
      { address: '10.0.0.2', port: 80, forwarding: direct },
      { address: '10.0.0.3', port: 80, weight: 0, forwarding: direct },
    ],
    [{ address: '10.0.1.1', port: 99 }],
    [],
    [{ address: '10.0.1.1', port: 81, forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } } }],
  ])
})

it('what is said nowhere is as its manual says', async () => {
  const { configuration } = await imported('services: [{ address: "tcp://10.2.3.4:80", destinations: [{ address: 10.0.0.1 }] }]')
  expect(configuration.services[0]).toMatchObject({ scheduler: 'rr', weight: 1 })
  expect([...(configuration.services[0]?.backends.values() ?? [])]).toEqual([
    { address: '10.0.0.1', port: 80, forwarding: { method: 'direct' } },
  ])
})

it('a port that a tunnel cannot translate to is that of the service', async () => {
  const { configuration, text } = await imported(
    'services: [{ address: "tcp://10.2.3.4:80", destinations: [{ address: "10.0.0.1:100", forward: tunnel }] }]',
  )
  expect([...(configuration.services[0]?.backends.keys() ?? [])]).toEqual(['10.0.0.1:80'])
  expect(text).toContain('# It said port 100')
})

it('parameters stay as they are, with the documents that they are in', () => {
  const address = `tcp://\${host.eth0}:\${ports.\${env.STAGE}}`
  const text = renderImported(
    importIpvsctl(
      parsed(`services: [{ address: "${address}", destinations: [{ address: "\${some.ip}:1000", forward: nat }] }]`),
      { files: ['/etc/params.yaml'], urls: ['https://inventory.example/p.json'] },
    ),
  )
  expect(text).toContain('files: [ /etc/params.yaml ]')
  expect(text).toContain('urls: [ https://inventory.example/p.json ]')
  expect(text).toContain(`listen: \${host.eth0}:\${ports.\${env.STAGE}}`)
  expect(text).toContain(`\${some.ip}:1000`)
})

describe('what cannot be carried over', () => {
  it.each([
    ['{ address: "icmp://10.0.0.1" }', /input\.yaml:2: address: icmp:\/\/10\.0\.0\.1: this is neither tcp/],
    ['{ sched: rr }', /input\.yaml:2: service: this is neither tcp/],
    ['{ address: "tcp://10.0.0.1:80", sched: fastest }', /scheduler of tcp\/10\.0\.0\.1:80: "fastest"/],
    ['{ address: "tcp://10.0.0.1:80", colour: blue }', /colour: blue: nothing is known/],
    ['{ address: "tcp://10.0.0.1:80", destinations: [{ weight: 1 }] }', /destination: it has no address/],
    [
      '{ address: "tcp://10.0.0.1:80", destinations: [{ address: "10.0.0.2:80", forward: sideways }] }',
      /backend 10\.0\.0\.2:80.*"sideways"/,
    ],
    ['{ address: "fwmark:0" }', /service fwmark\/0\/ipv4: 0 is below 1/],
  ])('%s', async (service, sentence) => {
    const { leftOut } = await imported(`services:\n  - ${service}\n`)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })
})

it.each([
  ['tcp://${some.ip}:80', true],
  ['tcp://10.0.0.1:${ports[0]}', true],
  ['tcp://${host.lo}:${env.PORT}', false],
])('documents that were not named are asked for: %s', (address, asks) => {
  const model = parsed(`services: [{ address: "${address}" }]`)
  const isSaid = ({ head }: { readonly head: readonly string[] }) => head.some((line) => line.includes('--params-file'))
  expect(isSaid(importIpvsctl(model, NONE))).toBe(asks)
  expect(isSaid(importIpvsctl(model, { files: ['/etc/params.yaml'], urls: [] }))).toBe(false)
})
