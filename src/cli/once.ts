import { passOnce } from '../daemon/one-shot.ts'
import { realHost } from '../daemon/real-host.ts'
import { printPass } from './pass-text.ts'
import { probingOf } from './probing.ts'
import { readConfiguration } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'
import { sayWarnings } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly config: string
  readonly json?: boolean
  readonly probes: boolean
  readonly probeTimeout?: string
}

/** `pointsman once`: one full pass over the configuration, with its sources and backends asked once. */
export async function run(options: Options): Promise<number> {
  const probing = probingOf(options.probes, options.probeTimeout)
  const { configuration, warnings } = await readConfiguration(options.config, overridesFrom(options))
  sayWarnings(warnings)
  const result = await passOnce(realHost(), 'once', configuration, { probing })
  return printPass(result, options.json === true)
}
