import type { WhyAnswer } from '../admin/standing.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { EXIT } from '../errors.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { paintFor, print, printJson } from './terminal.ts'
import { whyText } from './why-text.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly json?: boolean
  readonly color?: string
}

/** `pointsman why SERVICE BACKEND`: the chain from the record of a source to the weight in the kernel. */
export async function run(options: Options, service: string, backend: string): Promise<number> {
  const { stateDir } = settingsWithoutFile(overridesFrom(options))
  const path = `/why?service=${encodeURIComponent(service)}&backend=${encodeURIComponent(backend)}`
  const answer = (await askDaemon(stateDir, 'GET', path)) as WhyAnswer
  if (options.json) await printJson(answer)
  else await print(whyText(answer, paintFor(options.color, process.stdout.isTTY === true, process.env)))
  return EXIT.ok
}
