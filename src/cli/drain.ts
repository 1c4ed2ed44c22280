import type { OperatorAnswer } from '../admin/operator-request.ts'
import { EXIT } from '../errors.ts'
import { awaitDrained } from './await-drained.ts'
import { durationOption, sayWord, stateDirOf, targetOf, termsOf, type WordOptions } from './operator-word.ts'

interface Options extends WordOptions {
  readonly wait?: boolean
  readonly timeout: string
}

/** `pointsman drain SERVICE [BACKEND...]`: no new connections from now on. */
export async function run(options: Options, service: string | undefined, backends: readonly string[]): Promise<number> {
  const timeout = durationOption('--timeout', options.timeout)
  const target = targetOf('drain', options, service, backends)
  const answer: OperatorAnswer = await sayWord(options, { verb: 'drain', target, ...termsOf(options) })
  if (options.wait) await awaitDrained(stateDirOf(options), [...answer.changed, ...answer.unchanged], timeout)
  return EXIT.ok
}
