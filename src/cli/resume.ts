import type { ResumeAnswer } from '../admin/control.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { EXIT } from '../errors.ts'
import { stateDirOf, type WordOptions } from './operator-word.ts'
import { printIfPossible } from './terminal.ts'

/** `pointsman resume`: the running daemon brings the kernel into step again. */
export async function run(options: WordOptions): Promise<number> {
  const answer = (await askDaemon(stateDirOf(options), 'POST', '/resume')) as ResumeAnswer
  const text =
    answer.ended === undefined ? 'it was not paused' : `the kernel is written again; it was paused since ${answer.ended.since}`
  await printIfPossible(options.json ? JSON.stringify(answer, undefined, 2) : text)
  return EXIT.ok
}
