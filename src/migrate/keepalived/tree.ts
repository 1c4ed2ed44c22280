import type { Place } from '../imported.ts'
import { invalid, type Line } from './lines.ts'
import { tokens } from './words.ts'

/** A keyword with its words, and its block where it has one. */
export interface Directive {
  readonly name: string
  readonly words: readonly string[]
  readonly place: Place
  readonly block?: readonly Directive[]
}

interface Growing extends Omit<Directive, 'block'> {
  block?: Growing[]
}

interface Level {
  readonly directives: Growing[]
  readonly of: Growing | undefined
}

/** The blocks that lines make. Throws CONFIG_INVALID where braces do not pair. */
export function readTree(lines: readonly Line[]): readonly Directive[] {
  const top: Level = { directives: [], of: undefined }
  const levels = [top]
  for (const { text, place } of lines) readLine(text, place, levels)
  const { of: open } = levels.at(-1) ?? top
  if (open !== undefined) throw invalid(open.place, `the block of ${open.name} has no end`, 'write the } that is missing')
  return top.directives
}

function readLine(text: string, place: Place, levels: Level[]): void {
  let words: string[] = []
  const level = () => levels.at(-1) as Level
  const end = () => {
    const [name, ...others] = words
    if (name !== undefined) level().directives.push({ name, words: others, place })
    words = []
  }
  for (const token of tokens(text)) {
    if (token.kind === 'word') words.push(token.text)
    else if (token.kind === 'open') {
      end()
      const of = level().directives.at(-1)
      if (of === undefined || of.block !== undefined)
        throw invalid(place, 'a block begins here that belongs to nothing', 'write its keyword before the {')
      of.block = []
      levels.push({ directives: of.block, of })
    } else {
      end()
      if (levels.length === 1) throw invalid(place, 'this } ends nothing', 'remove it, or write the { that is missing')
      levels.pop()
    }
  }
  end()
}
