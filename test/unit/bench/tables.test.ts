import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { destinationKey } from '../../../src/model/destination.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { commandsFor, configurationText, desiredState, reweighted } from '../../bench/own-tables.ts'
import { keepalivedText, restoreText } from '../../bench/peer-tables.ts'
import { objectsIn, type Shape } from '../../bench/shape.ts'

const shape: Shape = { services: 3, backends: 400, scheduler: 'wlc' }

/** `-a -t VIP -r BACKEND -m -w WEIGHT` as VIP and backend. */
const restored = restoreText(shape)
  .split('\n')
  .flatMap((line) => /^-a -t (\S+) -r (\S+) -m -w 10$/.exec(line)?.slice(1, 3).join(' ') ?? [])

describe('the tables of the bench', () => {
  it('are the same for ipvsadm and for the kernel', () => {
    const sent = commandsFor(shape).flatMap((command) =>
      command.kind === 'add-destination'
        ? `${serviceKey(command.service).replace('tcp/', '')} ${destinationKey(command.destination)}`
        : [],
    )
    expect(sent).toEqual(restored)
    expect(commandsFor(shape)).toHaveLength(objectsIn(shape))
    expect(new Set(restored).size).toBe(1200)
  })

  it('are the same in the desired state', () => {
    const desired = [...desiredState(shape).services.values()].flatMap(({ identity, destinations }) =>
      [...destinations.keys()].map((key) => `${serviceKey(identity).replace('tcp/', '')} ${key}`),
    )
    expect(desired.toSorted()).toEqual(restored.toSorted())
  })

  it('are the same in the configuration file', () => {
    const options = { stateDirectory: '/tmp', adminPort: 1, perBackendMetrics: true, resyncInterval: 30_000 }
    const loaded = loadConfiguration({ path: 'x.yaml', bytes: Buffer.from(configurationText(shape, options)) })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
    const members = loaded.configuration.services.flatMap(({ identity, backends }) =>
      [...backends.keys()].map((key) => `${serviceKey(identity).replace('tcp/', '')} ${key}`),
    )
    expect(members).toEqual(restored)
  })

  it('are the same for keepalived', () => {
    const members: string[] = []
    let service = ''
    for (const line of keepalivedText(shape).split('\n')) {
      const [word, address, port] = line.trim().split(' ')
      if (word === 'virtual_server') service = `${address}:${port}`
      if (word === 'real_server') members.push(`${service} ${address}:${port}`)
    }
    expect(members).toEqual(restored)
  })

  it('share everything but what a new weight changes', () => {
    const before = desiredState(shape)
    const after = reweighted(before, shape, 1, 7, 11)
    const changed = [...after.services].filter(([key, service]) => before.services.get(key) !== service)
    expect(changed).toHaveLength(1)
    const [key, service] = changed[0] ?? []
    const old = key && before.services.get(key)?.destinations
    expect(old && service?.destinations.differsFrom(old)).toHaveLength(1)
  })
})
