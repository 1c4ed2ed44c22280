import { expect, test } from 'vitest'
import { parseExposition } from '../admin/exposition-parser.ts'
import { FakeHost } from './fake-host.ts'
import { type DaemonRig, startDaemon, yamlOf } from './rig.ts'

const until = (look: () => unknown) => expect.poll(look, { interval: 20, timeout: 8_000 })
const ONE = '10.0.1.1:443'
const TWO = '10.0.1.2:443'

const web = (...backends: string[]) =>
  `\n  - { name: web, listen: 10.0.0.1:443, health_check: { type: tls, interval: 100ms, fall: 1 }, backends: [${backends.join(', ')}] }`

async function statesIn(rig: DaemonRig): Promise<Record<string, string[]>> {
  const families = parseExposition((await rig.fetch('/metrics')).text)
  const of = (name: string) =>
    (families.get(name)?.samples ?? []).map(({ labels, value }) => `${labels['backend']} ${labels['state'] ?? value}`)
  return {
    operational: of('pointsman_backend_operational_state'),
    discovered: of('pointsman_backend_discovered_state'),
    days: of('pointsman_certificate_days'),
  }
}

test('the metrics show the states of backends and their certificates, and forget who goes', async () => {
  const host = new FakeHost()
  host.probes.set(ONE, { outcome: 'passed', certificateDays: 40 })
  host.probes.set(TWO, { outcome: 'failed', failure: 'tls', message: 'has expired', certificateDays: -2 })
  let at = 0
  const rig = await startDaemon(
    (directory, port) => {
      at = port
      return yamlOf(directory, port, web(ONE, TWO))
    },
    { host },
  )
  await until(() => statesIn(rig)).toEqual({
    operational: [`${ONE} up`, `${TWO} down`],
    discovered: [`${ONE} listed`, `${TWO} listed`],
    days: [`${ONE} 40`, `${TWO} -2`],
  })
  await rig.reconfigure(yamlOf(rig.directory, at, web(ONE)))
  await until(() => statesIn(rig)).toEqual({ operational: [`${ONE} up`], discovered: [`${ONE} listed`], days: [`${ONE} 40`] })
})
