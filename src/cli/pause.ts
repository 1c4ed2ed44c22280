import type { PauseAnswer } from '../admin/control.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { EXIT } from '../errors.ts'
import { sayNotKept, stateDirOf, termsOf, type WordOptions } from './operator-word.ts'
import { printIfPossible } from './terminal.ts'

/** `pointsman pause`: the running daemon writes nothing to the kernel from now on. */
export async function run(options: WordOptions): Promise<number> {
  const answer = (await askDaemon(stateDirOf(options), 'POST', '/pause', termsOf(options))) as PauseAnswer
  if (!answer.kept) sayNotKept()
  await printIfPossible(options.json ? JSON.stringify(answer, undefined, 2) : pauseAnswerText(answer))
  return EXIT.ok
}

function pauseAnswerText({ paused: { until } }: PauseAnswer): string {
  return `paused${until === undefined ? '' : ` until ${until}`}: nothing is written to the kernel until \`pointsman resume\``
}
