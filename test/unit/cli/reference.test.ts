import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'
import { describedProgram } from '../../../src/cli/program.ts'
import type { CommandPage } from '../../../src/cli/reference/command-pages.ts'
import { commandPages } from '../../../src/cli/reference/command-pages.ts'
import { bashCompletion, fishCompletion, zshCompletion } from '../../../src/cli/reference/completions.ts'
import { referenceFiles } from '../../../src/cli/reference/files.ts'
import { EXAMPLE, manOfConfiguration } from '../../../src/cli/reference/man-configuration.ts'
import { roffText } from '../../../src/cli/reference/roff.ts'
import { publishedJsonSchema } from '../../../src/config/json-schema.ts'
import { loaded, warnings } from '../config/support.ts'

const files = referenceFiles()
const text = (path: string) => files.get(path) ?? ''

test.each([...files.keys()])('%s is what the program makes of itself; `npm run reference` writes it anew', (path) => {
  expect(readFileSync(path, 'utf8')).toBe(text(path))
})

describe('pointsman(1)', () => {
  const page = text('deploy/man/pointsman.1')

  it('has every command with every option', () => {
    for (const { name, options } of commandPages(describedProgram())) {
      const section = page.split('\n.SS ').find((part) => part.startsWith(name)) ?? ''
      expect(options.filter(({ long }) => !section.includes(`\\fB${roffText(long)}\\fR`)).map(({ long }) => long)).toEqual([])
    }
  })

  it('leaves the words of the program as they are', () => {
    expect(page).toContain('\ntrace, debug, info, warn, error, fatal or silent.\n')
  })
})

describe('pointsman.yaml(5)', () => {
  const page = text('deploy/man/pointsman.yaml.5')

  it('explains every key of every mapping', () => {
    const missing: string[] = []
    const walk = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [key, value] of Object.entries((node as { properties?: object }).properties ?? {}))
        if (JSON.stringify(value) !== '{}' && !page.includes(`\n\\fB${roffText(key)}\\fR\n`)) missing.push(key)
      for (const value of Object.values(node)) walk(value)
    }
    for (const section of Object.values(JSON.parse(publishedJsonSchema()).properties)) walk(section)
    expect(missing).toEqual([])
  })

  it('has an example that loads without a warning', () => {
    expect(loaded(EXAMPLE.join('\n')).services).toHaveLength(1)
    expect(warnings(EXAMPLE.join('\n'))).toEqual([])
    expect(parse(EXAMPLE.join('\n'))).toHaveProperty('services')
  })

  it('explains a mapping once and names that place elsewhere', () => {
    const inner = { type: 'object', properties: { path: { type: 'string', description: 'A path.' } } }
    const made = manOfConfiguration({
      properties: { global: { properties: { a: inner } }, catalog: { properties: { b: inner } } },
    })
    expect(made.match(/\\fBpath\\fR/g)).toHaveLength(1)
    expect(made).toContain('Its keys are those of \\fBglobal.a\\fR.')
  })

  it('says what may be written', () => {
    const of = (node: object) => manOfConfiguration({ properties: { global: { properties: { key: node } } } })
    expect(of({ type: 'integer', minimum: 1, maximum: 5 })).toContain('Written as a number from 1 to 5.')
    expect(of({ enum: ['a', 'b'], default: 'a' })).toContain('Written as one of a, b. Default: a.')
    expect(of({ anyOf: [{ type: 'string' }, { type: 'array', items: {} }] })).toContain('Written as text, or a list.')
  })
})

test('text that looks like a request or an escape of man stays text', () => {
  expect(roffText(".so it's \\fB --all\n.br")).toBe('\\&.so it\\(aqs \\efB \\-\\-all\n\\&.br')
})

describe('completions', () => {
  const page: CommandPage = {
    name: 'try',
    description: "try what it's for",
    positionals: [{ usage: '<file>', description: 'a file', values: [] }],
    options: [
      { short: '-k', long: '--kind', placeholder: 'kind', description: 'a [kind]: it', initial: undefined, values: ['a', 'b'] },
    ],
  }

  it('quote what a description may hold', () => {
    expect(fishCompletion([page])).toContain(`-d 'try what it\\'s for'`)
    expect(zshCompletion([page])).toContain(`'try:try what it'\\''s for'`)
    expect(zshCompletion([page])).toContain(`'--kind[a \\[kind\\]\\: it]:kind:(a b)'`)
  })

  it('offer the values of an option, in its short form too', () => {
    expect(bashCompletion([page])).toContain(`-k|--kind) COMPREPLY=($(compgen -W 'a b' -- "$word")); return ;;`)
    expect(fishCompletion([page])).toContain(`-s k -l kind -x -a 'a b'`)
  })
})
