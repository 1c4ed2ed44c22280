import { diagnose } from '../daemon/doctor/diagnose.ts'
import type { Finding } from '../daemon/doctor/facts.ts'
import { type DoctorInput, gatherFacts } from '../daemon/doctor/gather.ts'
import { realHost } from '../daemon/real-host.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { readConfiguration } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { type Paint, paintFor, print, printJson } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly config: string
  readonly json?: boolean
  readonly color?: string
}

/** `pointsman doctor`: looks at this host and changes nothing; exit code 42 when something fails. */
export async function run(options: Options): Promise<number> {
  const findings = diagnose(await gatherFacts(realHost(), await inputFrom(options)))
  const failed = findings.some(({ verdict }) => verdict === 'fail')
  if (options.json) await printJson({ ok: !failed, checks: findings })
  else await print(report(findings, paintFor(options.color, process.stdout.isTTY === true, process.env)))
  return failed ? EXIT.doctorFailed : EXIT.ok
}

/** A configuration that cannot be read is a finding, not the end: the host can be looked at all the same. */
async function inputFrom(options: Options): Promise<DoctorInput> {
  const overrides = overridesFrom(options)
  try {
    const { configuration } = await readConfiguration(options.config, overrides)
    const { stateDir, kernelDeadline } = configuration.settings
    return { configuration, stateDir, kernelDeadline }
  } catch (error) {
    if (!(error instanceof PointsmanError)) throw error
    const { stateDir, kernelDeadline } = settingsWithoutFile(overrides)
    return {
      configuration: undefined,
      configurationProblem: error.message,
      configurationPath: options.config,
      stateDir,
      kernelDeadline,
    }
  }
}

/** One line for each finding, and its cure below it: commands alone on their lines, so that they can be pasted. */
export function report(findings: readonly Finding[], paint: Paint): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.flatMap(({ check, verdict, message, cure, run, keep }) => {
    const colour = verdict === 'ok' ? 'green' : verdict === 'warn' ? 'yellow' : 'red'
    const line = `${paint(colour, verdict.padEnd(4))}  ${check.padEnd(width)}  ${message}`
    const below = (mark: string, text: string | undefined): string[] =>
      text === undefined ? [] : [`${' '.repeat(6 + width)}  ${mark} ${text}`]
    return [line, ...below('now: ', run), ...below('keep:', keep), ...below('->', cure)]
  })
  const number = (verdict: Finding['verdict']): number => findings.filter((each) => each.verdict === verdict).length
  return [...lines, '', `${number('ok')} ok, ${number('warn')} to look at, ${number('fail')} failed.`].join('\n')
}
