import type { PauseAnswer } from '../admin/control.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { EXIT } from '../errors.ts'
import { sayNotKept, stateDirOf, termsOf, type WordOptions } from './operator-word.ts'
import { printIfPossible, say } from './terminal.ts'

/** `pointsman pause`: the running daemon writes nothing to the kernel from now on. */
export async function run(options: WordOptions): Promise<number> {
  const answer = (await askDaemon(stateDirOf(options), 'POST', '/pause', termsOf(options))) as PauseAnswer
  if (!answer.kept) sayNotKept()
  if (!answer.settled) say(UNSETTLED)
  await printIfPossible(options.json ? JSON.stringify(answer, undefined, 2) : pauseAnswerText(answer))
  return answer.settled ? EXIT.ok : EXIT.kernelQuery
}

const UNSETTLED =
  'pointsman: It is paused, but what was begun before is still being written, because the kernel takes long: leave the table alone, and run the same command again, which waits for the end.'

function pauseAnswerText({ paused: { until } }: PauseAnswer): string {
  return `paused${until === undefined ? '' : ` until ${until}`}: nothing is written to the kernel until \`pointsman resume\``
}
