import { expect, test } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { type DaemonRig, startDaemon, yamlOf } from './rig.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 8_000 })

async function hashes({ fetch }: DaemonRig): Promise<Record<'desired' | 'actual', number | undefined>> {
  const families = parseExposition((await fetch('/metrics')).text)
  const of = (state: string) => sampleOf(families, 'pointsman_state_hash', { state })
  return { desired: of('desired'), actual: of('actual') }
}

/** A daemon that has brought its services into the kernel. */
async function inStep(services: string): Promise<DaemonRig> {
  const rig = await startDaemon((directory, port) => yamlOf(directory, port, services))
  await until(async () => {
    const { desired, actual } = await hashes(rig)
    return desired !== undefined && desired !== 0 && desired === actual
  }).toBe(true)
  return rig
}

const WEB = '{ name: NAME, listen: 10.0.0.1:80, backends: [10.0.1.1:80, { address: 10.0.1.2:80, weight: 3 }] }'
const DNS = '{ name: dns, listen: 10.0.0.2:53, protocol: udp, scheduler: rr, backends: ["10.0.2.1:53"] }'

test('two directors that hold the same show the same number, whatever the order and the names; one hand in a kernel shows', async () => {
  const one = await inStep(`\n  - ${WEB.replace('NAME', 'web')}\n  - ${DNS}`)
  const two = await inStep(`\n  - ${DNS}\n  - ${WEB.replace('NAME', 'shop').replace(/\[(.*), (\{.*)\]/, '[$2, $1]')}`)
  const agreed = await hashes(one)
  expect(await hashes(two)).toEqual(agreed)
  const service = identity('tcp/10.0.0.1:80')
  const destination = two.host.kernel.destination(serviceKey(service), key('10.0.1.2:80'))
  if (destination === undefined) throw new Error('no such destination')
  two.host.kernel.tamper({ kind: 'edit-destination', service, destination: { ...destination, weight: 4 } })
  // One reading serves all scrapes of a second.
  await until(async () => (await hashes(two)).actual !== agreed.actual).toBe(true)
  expect((await hashes(two)).desired).toBe(agreed.desired)
})
