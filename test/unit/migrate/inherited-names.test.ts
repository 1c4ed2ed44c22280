import { describe, expect, test } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { importEzlb } from '../../../src/migrate/ezlb.ts'
import { importIpvsadm } from '../../../src/migrate/ipvsadm.ts'
import { importIpvsctl } from '../../../src/migrate/ipvsctl.ts'
import { importKglb } from '../../../src/migrate/kglb.ts'
import { keepalived, outcome, parsed, virtualServer } from './support.ts'

/** Every object of JavaScript has something of these names. */
describe.each(['constructor', 'toString', 'valueOf'])('a name that nobody knows: %s', (name) => {
  test.each([
    ['keepalived, in a virtual server', () => virtualServer(`${name} 5`)],
    ['keepalived, in global_defs', () => keepalived(`global_defs {\n ${name} 5\n}\nvirtual_server 10.0.0.1 80 {\n}\n`)],
    ['ezlb', () => outcome(importEzlb(parsed(`{ services: [], ${name}: 5 }`)))],
    ['ipvsctl', () => outcome(importIpvsctl(parsed(`{ services: [], ${name}: 5 }`), { files: [], urls: [] }))],
    ['kglb', () => outcome(importKglb(parsed(`{ balancers: [], ${name}: 5 }`)))],
    ['ipvsadm, as a port', () => outcome(importIpvsadm('saved', `-A -t 10.0.0.2:80\n-A -t 10.0.0.1:${name}`))],
  ])('%s', async (_, imported) => {
    const [listed = '', ...others] = (await imported()).leftOut
    expect(listed).toContain(name)
    expect(listed).not.toContain('native code')
    expect(others).toEqual([])
  })

  test('the configuration, where one of some words is due', () => {
    const result = loadConfiguration({ path: 'c', bytes: Buffer.from(`{ services: [], defaults: { scheduler: ${name} } }`) })
    expect(result.ok ? [] : result.issues.map(({ remedy }) => remedy)).toEqual([expect.stringMatching(/^write rr, wrr/)])
  })
})
