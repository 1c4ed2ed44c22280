/** A daemon on a machine in memory that keeps a journal. Arguments: configuration, journal. Its log is on standard output. */
import { readFileSync } from 'node:fs'
import { NEVER } from 'rxjs'
import { currentBuild } from '../../../src/build.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { runDaemon } from '../../../src/daemon.ts'
import { loggerTo } from '../../../src/log.ts'
import { FakeHost } from '../../unit/daemon/fake-host.ts'

const [path = '', journal = ''] = process.argv.slice(2)
const bytes = readFileSync(path)
const loaded = loadConfiguration({ path, bytes }, {})
if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
const host = new FakeHost()
host.probes.set('10.0.1.3:80', { outcome: 'failed', failure: 'refused', message: 'nobody listens' })
await runDaemon(
  {
    configuration: loaded.configuration,
    bytes,
    warnings: [],
    overrides: {},
    build: currentBuild(),
    journal: { path: journal, limit: 1 << 20 },
    log: { logger: loggerTo({ write: (line: string) => process.stdout.write(line) }, 'info'), flush: () => {} },
    reload$: NEVER,
    stop: new Promise(() => {}),
  },
  host,
)
