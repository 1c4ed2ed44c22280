import type { Command, Option } from 'commander'
import { SETTING_DEFINITIONS, SETTING_NAMES } from '../../config/setting-definitions.ts'

export interface OptionPage {
  /** `-c`; undefined where there is the long form alone. */
  readonly short: string | undefined
  /** `--config` */
  readonly long: string
  /** `file`; undefined where the option takes no value. */
  readonly placeholder: string | undefined
  readonly description: string
  /** What holds where it is not written, as a person would write it. */
  readonly initial: string | undefined
  /** All values there are; empty where they cannot be listed. */
  readonly values: readonly string[]
}

export interface PositionalPage {
  readonly usage: string
  readonly description: string
  /** All values there are; empty where they cannot be listed. */
  readonly values: readonly string[]
}

export interface CommandPage {
  readonly name: string
  readonly description: string
  /** `<service> [backend...]`, each with what it means. */
  readonly positionals: readonly PositionalPage[]
  readonly options: readonly OptionPage[]
}

/** The commands of the program in the order in which it declares them. */
export function commandPages(program: Command): readonly CommandPage[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    positionals: command.registeredArguments.map((argument) => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`
      const usage = argument.required ? `<${name}>` : `[${name}]`
      return { usage, description: argument.description, values: argument.argChoices ?? [] }
    }),
    options: command.options.filter(({ hidden }) => !hidden).map(optionPage),
  }))
}

function optionPage(option: Option): OptionPage {
  const long = option.long ?? option.flags
  return {
    short: option.short,
    long,
    placeholder: /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1],
    description: option.description,
    initial: typeof option.defaultValue === 'string' ? option.defaultValue : undefined,
    values: valuesOf(long),
  }
}

function valuesOf(long: string): readonly string[] {
  if (long === '--color') return ['auto', 'always', 'never']
  const name = SETTING_NAMES.find((setting) => long === `--${setting.replaceAll('_', '-')}`)
  if (name === undefined) return []
  const { enum: listed, type } = SETTING_DEFINITIONS[name].grammar.jsonSchema
  if (type === 'boolean') return ['true', 'false']
  return Array.isArray(listed) ? listed.map(String) : []
}
