import { expect, test } from 'vitest'
import { importEzlb } from '../../../src/migrate/ezlb.ts'
import { importKglb } from '../../../src/migrate/kglb.ts'
import { outcome, parsed } from './support.ts'

test('values of another kind than their keys have are listed', async () => {
  const text = `global: { log_level: 5, log: { level: [debug], traffic: 15s } }
services:
  - { name: web, listen: 10.0.0.1:80, protocol: tcp, health_check: tcp, backends: { address: 10.0.1.1:80 } }
`
  const { leftOut } = await outcome(importEzlb(parsed(text)))
  const cure = 'look up what it meant, and write it'
  expect(leftOut).toEqual([
    `input.yaml:1: traffic: 15s: it is no mapping; ${cure}`,
    `input.yaml:1: level: it is no text; ${cure}`,
    `input.yaml:1: log_level: 5: it is no text; ${cure}`,
    `input.yaml:3: health_check: tcp: it is no mapping; ${cure}`,
    `input.yaml:3: backends: it is no list; ${cure}`,
  ])
})

test('numbers of protobuf in quotes count, and what is none is listed', async () => {
  const json = (interval: string) => `{"balancers": [{
    "name": "edge",
    "lbService": {"ipvsService": {"tcpAttributes": {"address": {"ipv4": "192.0.2.10"}, "port": "80"}}},
    "upstreamDiscovery": {"port": "8080", "staticAttributes": {"hosts": ["10.0.1.1"]}},
    "upstreamRouting": {"forwardMethod": "MASQ"},
    "upstreamChecker": {"intervalMs": "${interval}", "riseCount": "5", "fallCount": "4", "checker": {"tcp": {"checkTimeoutMs": "700"}}}
  }]}`
  const { text, leftOut } = await outcome(importKglb(parsed(json('1000'))))
  expect(leftOut).toEqual([])
  expect(text).toContain('health_check: { type: tcp, interval: 1s, timeout: 700ms, fall: 4, rise: 5, initial: down }')
  expect(text).toContain('- 10.0.1.1:8080')
  expect((await outcome(importKglb(parsed(json('soon'))))).leftOut).toEqual([
    'input.yaml:6: intervalMs: soon: it is no number; look up what it meant, and write it',
  ])
})
