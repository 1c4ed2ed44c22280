import { describe, expect, it } from 'vitest'
import { describedProgram } from '../../../src/cli/program.ts'
import { examplesOf, PAGES, placeOf } from '../../support/doc-examples.ts'

/** Words as a shell makes them, up to a comment, a pipe, a redirection or the next command. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [word] of line.matchAll(/"[^"]*"|'[^']*'|[^\s"']+/g)) {
    if (/^(#|\||>|<|;|&&)/.test(word)) break
    words.push(word.replaceAll(/^["']|["']$/g, ''))
  }
  return words
}

/** Command lines of this program. */
const lines = PAGES.flatMap(examplesOf)
  .filter(({ command }) => /^pointsman [a-z]/.test(command))
  .map((example) => ({ place: placeOf(example), words: wordsOf(example.command.replaceAll(/\\\n/g, ' ')).slice(1) }))

/** What the program would say of a command line before it ran anything; undefined where it would run. */
function refusal([name = '', ...args]: readonly string[]): string | undefined {
  const command = describedProgram().commands.find((each) => each.name() === name)
  if (command === undefined) return `there is no command ${name}`
  command.exitOverride().configureOutput({ writeErr: () => {} })
  try {
    const { operands, unknown } = command.parseOptions([...args])
    if (unknown.length > 0) return `${name} has no option ${unknown[0]}`
    const { registeredArguments: known } = command
    const least = known.filter(({ required }) => required).length
    const most = known.some(({ variadic }) => variadic) ? Number.POSITIVE_INFINITY : known.length
    if (operands.length < least || operands.length > most) return `${name} takes other arguments than ${operands.join(' ')}`
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

describe('command lines in the documentation', () => {
  it('are found', () => {
    expect(lines.length).toBeGreaterThan(30)
  })

  it('are ones that the program takes', () => {
    const refused = lines.flatMap(({ place, words }) => {
      const why = refusal(words)
      return why === undefined ? [] : [`${place}: ${words.join(' ')}: ${why}`]
    })
    expect(refused).toEqual([])
  })

  it.each([
    ['plan --no-such-option', /no option/],
    ['plna -c x', /no command/],
    ['why web', /other arguments/],
    ['version now', /other arguments/],
  ])('%s would be found', (line, why) => {
    expect(refusal(line.split(' '))).toMatch(why)
  })
})
