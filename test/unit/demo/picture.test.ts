import { expect, it } from 'vitest'
import { picture } from '../../../demo/picture.ts'
import { configurationOf } from '../../../demo/scene.ts'
import { loadConfiguration } from '../../../src/config/load.ts'

const view = { scene: 'three servers', number: 1, of: 6, answers: { rs1: 6, rs2: 3, rs3: 0 }, requests: 9, failures: 0 }

it('draws each server’s share of the answers', () => {
  expect(picture(view, false)).toEqual([
    '[1/6] three servers',
    '  rs1   ███████████████████████████·············  67%',
    '  rs2   █████████████···························  33%',
    '  rs3   ········································   0%',
    '  9 requests, 0 failed',
  ])
})

it('draws a moment without answers', () => {
  expect(picture({ ...view, answers: { rs1: 0 } }, false)[1]).toBe('  rs1   ········································   0%')
})

it('uses colour only where asked, and red only for failures', () => {
  expect(picture(view, false).join('')).not.toContain('\u001b')
  expect(picture(view, true).join('')).not.toContain('\u001b[31m')
  expect(picture({ ...view, failures: 1 }, true).join('')).toContain('\u001b[31m1 failed')
})

it.each([
  ['members of the file', 'backends: [ { address: 10.2.1.2:8080, weight: 6 }, 10.2.2.2:8080 ]'],
  ['a name in the DNS', 'source: { dns_srv: { name: _http._tcp.web.example, servers: [127.0.0.1:53] } }'],
  ['a Consul service', 'source: { consul: { service: web } }'],
])('writes a valid configuration around %s', (_, members) => {
  const result = loadConfiguration({ path: 'demo.yaml', bytes: Buffer.from(configurationOf(members)) })
  expect(result).toMatchObject({ ok: true, warnings: [] })
})
