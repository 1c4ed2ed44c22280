import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { identity, key } from '../../../support/desired.ts'
import { startDaemon, temporaryDirectory, yamlOf } from '../rig.ts'
import { linesIn, replayed, weightsOf } from './support.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const SERVICES = '\n  - { name: web, listen: 10.0.0.1:80, backends: [10.0.1.1:80, { address: 10.0.1.2:80, weight: 3 }] }'
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })

test('a daemon that ends in good order has written down all, reloads included, and the next one goes on in the same file', async () => {
  const directory = await temporaryDirectory()
  const journal = join(directory, 'journal')
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICES), { directory, journal })
  await until(() => rig.host.kernel.destination(WEB, key('10.0.1.2:80'))?.weight).toBe(3)
  await rig.reconfigure(yamlOf(directory, 1, SERVICES.replace('weight: 3', 'weight: 4')).replace(/admin: \S+/, 'admin: "off"'))
  await until(() => rig.host.kernel.destination(WEB, key('10.0.1.2:80'))?.weight).toBe(4)
  await rig.stop()
  expect(weightsOf(await replayed(journal))).toEqual({ [`${WEB} 10.0.1.1:80`]: 1, [`${WEB} 10.0.1.2:80`]: 4 })
  const again = await startDaemon((d, port) => yamlOf(d, port, SERVICES), { directory, journal })
  await until(() => again.host.kernel.destination(WEB, key('10.0.1.2:80'))?.weight).toBe(3)
  await again.stop()
  const lines = linesIn(await replayed(journal))
  expect(lines.filter(({ kind }) => kind === 'began')).toHaveLength(2)
  expect(weightsOf(await replayed(journal))).toEqual({ [`${WEB} 10.0.1.1:80`]: 1, [`${WEB} 10.0.1.2:80`]: 3 })
})

test('a daemon does not start with a journal that it cannot write, and writes nothing', async () => {
  const directory = await temporaryDirectory()
  const journal = join(directory, 'list.yaml')
  await writeFile(journal, '[]\n')
  const rig = await startDaemon((d, port) => yamlOf(d, port, SERVICES), { directory, journal })
  await expect(rig.ended).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE', exitCode: 41 })
  expect(rig.host.kernel.destination(WEB, key('10.0.1.1:80'))).toBeUndefined()
})
