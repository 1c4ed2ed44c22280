import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StatusAnswer } from '../../../src/admin/standing.ts'
import { entry, LED, scripted } from '../sources/consul/scripted-agent.ts'
import { command } from './command.ts'
import { startDaemon, yamlOf } from './rig.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 50, timeout: 8_000 })

test('a source whose answers may lack backends says so for as long as that is so, and removes none', async () => {
  let isLed = true
  let members = [1, 2, 3]
  await using agent = await scripted(async ({ parameters }) => {
    // A blocking question that is answered at once would be asked without end.
    if (parameters.has('index')) await new Promise((resolve) => setTimeout(resolve, 100))
    const body = JSON.stringify(members.map((number) => entry(number)))
    const index = String(10 + members.length + (isLed ? 0 : 100))
    return { body, headers: { ...LED, 'X-Consul-Index': index, 'X-Consul-Knownleader': String(isLed) } }
  })
  const source = `{ consul: { service: web, address: ["${agent.url}"] } }`
  const services = `\n  - { name: web, listen: 10.0.0.1:80, health_check: { enabled: false }, source: ${source} }`
  const rig = await startDaemon((directory, port) => yamlOf(directory, port, services))
  const asked = async () => {
    const { out } = await command('status', '--json', '--state-dir', join(rig.directory, 'state'))
    const { backends = [], sources = [] } = (JSON.parse(out) as StatusAnswer).services[0] ?? {}
    const { text } = await rig.fetch('/metrics')
    const gauge = /^pointsman_source_partial\{.*\} ([01])$/m.exec(text)?.[1]
    return { backends: backends.length, partial: sources[0]?.partial, gauge }
  }
  await until(asked).toEqual({ backends: 3, partial: undefined, gauge: '0' })
  isLed = false
  members = [1]
  await until(asked).toEqual({ backends: 3, partial: true, gauge: '1' })
  expect((await command('status', '--state-dir', join(rig.directory, 'state'))).out).toContain('none is removed')
  isLed = true
  members = [1, 2]
  await until(asked).toMatchObject({ partial: undefined, gauge: '0' })
  await rig.stop()
}, 30_000)
