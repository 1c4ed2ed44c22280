import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { haproxySections, keepalivedProbesText, type ProbeTable, probingConfigurationText } from '../../bench/probe-tables.ts'

const table: ProbeTable = { tcp: 150, http: 250, interval: 2_500 }

/** `tcp 127.1.0.1:8080`, as each program asks. */
function askedByPointsman(): string[] {
  const text = probingConfigurationText(table, { stateDirectory: '/tmp', adminPort: 1 })
  const loaded = loadConfiguration({ path: 'x.json', bytes: Buffer.from(text) })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration.services.flatMap(({ backends, checks }) =>
    checks.flatMap(({ probe, interval }) => [...backends.keys()].map((key) => `${probe.kind} ${key} ${interval}`)),
  )
}

function askedByHaproxy(): string[] {
  let kind = ''
  return haproxySections(table, 1)
    .split('\n')
    .flatMap((line) => {
      const [word, , address, , , interval] = line.trim().split(' ')
      if (word === 'backend') kind = 'tcp'
      if (line.includes('option httpchk')) kind = 'http'
      return word === 'server' ? [`${kind} ${address} ${interval}`] : []
    })
}

function askedByKeepalived(): string[] {
  const kinds: Readonly<Record<string, string>> = { TCP_CHECK: 'tcp', HTTP_GET: 'http' }
  let [interval, backend] = [0, '']
  return keepalivedProbesText(table)
    .split('\n')
    .flatMap((line) => {
      const [word = '', address, port] = line.trim().split(' ')
      if (word === 'delay_loop') interval = Number(address) * 1_000
      if (word === 'real_server') backend = `${address}:${port}`
      return word in kinds ? [`${kinds[word]} ${backend} ${interval}`] : []
    })
}

describe('backends that are asked', () => {
  it('are as many as the table says, each with an address of its own', () => {
    const asked = askedByPointsman()
    expect(new Set(asked).size).toBe(400)
    expect(asked.filter((one) => one.startsWith('http '))).toHaveLength(250)
    expect(asked[0]).toBe('tcp 127.1.0.1:8080 2500')
  })

  it('are the same for HAProxy and for keepalived, in the same way and as often', () => {
    expect(askedByHaproxy()).toEqual(askedByPointsman())
    expect(askedByKeepalived()).toEqual(askedByPointsman())
  })
})
