import type { StatusAnswer } from '../admin/standing.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { EXIT } from '../errors.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { statusText } from './status-text.ts'
import { paintFor, print, printJson } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly json?: boolean
  readonly color?: string
}

/** `pointsman status [SERVICE]`: how services and their backends stand. */
export async function run(options: Options, service: string | undefined): Promise<number> {
  const { stateDir } = settingsWithoutFile(overridesFrom(options))
  const path = service === undefined ? '/status' : `/status?service=${encodeURIComponent(service)}`
  const answer = (await askDaemon(stateDir, 'GET', path)) as StatusAnswer
  if (options.json) await printJson(answer)
  else await print(statusText(answer, paintFor(options.color, process.stdout.isTTY === true, process.env)))
  return EXIT.ok
}
