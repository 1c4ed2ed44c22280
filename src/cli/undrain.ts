import { EXIT } from '../errors.ts'
import { sayWord, targetOf, type WordOptions } from './operator-word.ts'

/** `pointsman undrain SERVICE [BACKEND...]`: a drain or a maintenance is taken back. */
export async function run(options: WordOptions, service: string | undefined, backends: readonly string[]): Promise<number> {
  await sayWord(options, { verb: 'ready', target: targetOf('undrain', options, service, backends) })
  return EXIT.ok
}
