import { planNow } from '../daemon/one-shot.ts'
import { realHost } from '../daemon/real-host.ts'
import { EXIT } from '../errors.ts'
import { changeCount, planJson } from './plan-json.ts'
import { planText } from './plan-text.ts'
import { probingOf } from './probing.ts'
import { readConfiguration } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'
import { paintFor, print, printJson, say, sayWarnings } from './terminal.ts'
import { unansweredText } from './unanswered.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly config: string
  readonly file?: string
  readonly json?: boolean
  readonly color?: string
  readonly probes?: boolean
  readonly probeTimeout?: string
}

/** `pointsman plan`: exit code 0 where nothing would change, 10 where something would. */
export async function run(options: Options): Promise<number> {
  const probing = probingOf(options.probes === true, options.probeTimeout)
  const { configuration, warnings } = await readConfiguration(options.file ?? options.config, overridesFrom(options))
  sayWarnings(warnings)
  const result = await planNow(realHost(), configuration, probing)
  const { plan, unanswered, held, notes } = result
  for (const note of notes) say(`note: ${note}`)
  for (const source of unanswered) say(`warning: ${unansweredText(source)}`)
  if (options.json) await printJson(planJson(result))
  else await print(planText(plan, held, paintFor(options.color, process.stdout.isTTY === true, process.env)))
  return changeCount(plan) === 0 ? EXIT.ok : EXIT.changesPlanned
}
