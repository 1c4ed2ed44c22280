import type { Approval } from '../admin/control.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { EXIT } from '../errors.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { printIfPossible } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly json?: boolean
}

/** `pointsman approve SERVICE`: what is held of the service by a running daemon is let go. */
export async function run(options: Options, service: string): Promise<number> {
  const { stateDir } = settingsWithoutFile(overridesFrom(options))
  const path = `/approve?service=${encodeURIComponent(service)}`
  const answer = (await askDaemon(stateDir, 'POST', path)) as Approval
  await printIfPossible(options.json ? JSON.stringify(answer, undefined, 2) : approvalText(answer))
  return EXIT.ok
}

function approvalText({ service, approved, failures = [] }: Approval): string {
  const lines: string[] = []
  if (approved.length > 0) lines.push(`${removals(approved)} let go from ${service}: ${approved.join(', ')}`)
  if (failures.length > 0) lines.push(`held in service no longer, and believed, of ${service}: ${failures.join(', ')}`)
  return lines.length > 0 ? lines.join('\n') : `the definition of ${service} is let go, which no instance stands for any more`
}

/** `1 removal is` */
function removals({ length }: readonly string[]): string {
  return length === 1 ? '1 removal is' : `${length} removals are`
}
