import { currentBuild } from '../build.ts'
import { type ReplayOptions, replay } from '../daemon/replay/replay.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { readConfiguration } from './read-configuration.ts'
import { replayJson, replayText } from './replay-text.ts'
import { print, say, sayWarnings } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly config?: string
  readonly json?: boolean
}

/** Characters that are printed at a time. */
const PORTION = 65_536

/** `pointsman replay FILE`: what would have been decided, in the time of the journal; the kernel is not touched. */
export async function run(options: Options, file: string): Promise<number> {
  const other = options.config === undefined ? undefined : await otherConfiguration(options.config, file)
  const lines = new Lines()
  try {
    for await (const line of replay(file, { build: currentBuild(), ...(other !== undefined && { other }) })) {
      if (options.json) await lines.add(JSON.stringify(replayJson(line)))
      else if (line.kind === 'note') say(replayText(line))
      else await lines.add(replayText(line))
    }
  } finally {
    // What was decided before a line that is spoilt is worth having.
    await lines.flush()
  }
  return EXIT.ok
}

/** Settings play no part, and those of this shell should not make a configuration of another host wrong. */
async function otherConfiguration(path: string, file: string): Promise<NonNullable<ReplayOptions['other']>> {
  if (path === '-' && file === '-')
    throw new PointsmanError(
      'BAD_INPUT',
      'Standard input cannot be the journal and the configuration: name a file for one of them.',
    )
  const { configuration, warnings } = await readConfiguration(path, { environment: withoutSettings(process.env) })
  sayWarnings(warnings)
  if (configuration.catalogs.length > 0)
    say('note: what services of catalogs claim is not replayed: write such a service into the configuration to try it')
  return { services: configuration.services, ipvs: configuration.ipvs }
}

function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('POINTSMAN_')))
}

class Lines {
  #waiting: string[] = []
  #length = 0

  async add(line: string): Promise<void> {
    this.#waiting.push(line)
    this.#length += line.length
    if (this.#length >= PORTION) await this.flush()
  }

  async flush(): Promise<void> {
    const lines = this.#waiting
    this.#waiting = []
    this.#length = 0
    if (lines.length > 0) await print(lines.join('\n'))
  }
}
