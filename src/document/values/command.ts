import { accepted, type Grammar, hint, refused, show } from '../reading.ts'
import { secretLine } from './choice.ts'

const MOST_ARGUMENTS = 100

const argument = secretLine('an argument', 4000)

/** A program by its whole path, and its arguments; no shell reads it. `example`: such as `exec: [/usr/local/bin/tell]`. */
export function command(example: string): Grammar<readonly string[]> {
  return {
    jsonSchema: { type: 'array', items: { type: 'string', maxLength: 4000 }, minItems: 1, maxItems: MOST_ARGUMENTS },
    read(raw) {
      const remedy = 'write a list: the whole path of the program, then its arguments'
      if (!Array.isArray(raw)) return refused(`${hint(raw)} is not a command`, `${remedy}, such as ${example}`)
      if (raw.length === 0) return refused('the list is empty', remedy)
      if (raw.length > MOST_ARGUMENTS) return refused(`the command has ${raw.length} parts`, `write at most ${MOST_ARGUMENTS}`)
      const words: string[] = []
      for (const part of raw) {
        // An argument may be empty.
        const reading = part === '' && words.length > 0 ? accepted('') : argument.read(part)
        if (!reading.ok) return reading
        words.push(reading.value)
      }
      const [program = ''] = words
      if (program.startsWith('/')) return accepted(words)
      // A whole command line may stand there, arguments and all, or a variable that a shell would set.
      const first = /[\s=]/.test(program) ? 'the first text' : show(program)
      return refused(`${first} is not the whole path of a program`, `${remedy}; no shell looks for it, nor reads it`)
    },
  }
}
