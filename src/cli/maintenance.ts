import { EXIT } from '../errors.ts'
import { sayWord, targetOf, termsOf, type WordOptions } from './operator-word.ts'

/** `pointsman maintenance SERVICE [BACKEND...]`: out at once. */
export async function run(options: WordOptions, service: string | undefined, backends: readonly string[]): Promise<number> {
  await sayWord(options, {
    verb: 'maintenance',
    target: targetOf('maintenance', options, service, backends),
    ...termsOf(options),
  })
  return EXIT.ok
}
