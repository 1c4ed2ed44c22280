import { passOnce } from '../daemon/one-shot.ts'
import { realHost } from '../daemon/real-host.ts'
import { parseAllowedActions } from './allowed-actions.ts'
import { printPass } from './pass-text.ts'
import { readConfiguration } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'
import { sayWarnings } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly file: string
  readonly allowedActions: string
  readonly keepWeights?: boolean
  readonly json?: boolean
}

/** `pointsman apply -f FILE|-`: the kernel is brought into the state of one file, once. */
export async function run(options: Options): Promise<number> {
  const allowedActions = parseAllowedActions(options.allowedActions)
  const { configuration, warnings } = await readConfiguration(options.file, overridesFrom(options))
  sayWarnings(warnings)
  const result = await passOnce(realHost(), 'apply', configuration, {
    keepWeights: options.keepWeights === true,
    ...(allowedActions !== 'all' && { allowedActions }),
  })
  return printPass(result, options.json === true)
}
