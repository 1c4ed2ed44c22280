import type { Adoption } from '../admin/control.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { counted } from '../daemon/counted.ts'
import { EXIT } from '../errors.ts'
import { stateDirOf, type WordOptions } from './operator-word.ts'
import { printIfPossible } from './terminal.ts'

/** `pointsman adopt SERVICE`: the running daemon takes over what is foreign in the service. */
export async function run(options: WordOptions, service: string): Promise<number> {
  const path = `/adopt?service=${encodeURIComponent(service)}`
  const answer = (await askDaemon(stateDirOf(options), 'POST', path)) as Adoption
  await printIfPossible(options.json ? JSON.stringify(answer, undefined, 2) : adoptionText(answer))
  return EXIT.ok
}

function adoptionText({ service, adopted }: Adoption): string {
  if (adopted.length === 0) return `no backend of ${service} is foreign`
  return `${counted(adopted.length, 'foreign backend')} of ${service} taken over, to drain: ${adopted.join(', ')}`
}
