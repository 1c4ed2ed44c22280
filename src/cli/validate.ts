import { counted } from '../daemon/counted.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { failed, issuesOf } from './failure.ts'
import { journalOf } from './journal-options.ts'
import { readConfiguration } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'
import { print, printIfPossible, printJson, sayWarnings } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly config: string
  readonly file?: string
  readonly json?: boolean
  readonly journal?: string
  readonly journalLimit?: string
}

/** `pointsman validate`: reads what `start` would read, touches nothing, needs no rights beyond the file's. */
export async function run(options: Options): Promise<number> {
  const path = options.file ?? options.config
  try {
    journalOf(options)
    const { configuration, warnings } = await readConfiguration(path, overridesFrom(options))
    const services = configuration.services.length
    const catalogs = configuration.catalogs.length
    if (options.json) await printJson({ valid: true, services, catalogs, warnings })
    else {
      sayWarnings(warnings)
      const more = catalogs === 0 ? '' : `, ${counted(catalogs, 'catalog')}`
      await print(`${path}: valid, ${counted(services, 'service')}${more}.`)
    }
    return EXIT.ok
  } catch (error) {
    if (!options.json || !(error instanceof PointsmanError) || issuesOf(error).length === 0)
      return failed(error, options.json === true)
    await printIfPossible(JSON.stringify({ valid: false, issues: issuesOf(error) }, undefined, 2))
    return error.exitCode
  }
}
