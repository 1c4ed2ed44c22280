import type { CommandPage, OptionPage, PositionalPage } from './command-pages.ts'

const HEAD = '# Written by "npm run reference"; do not edit.'

/** How the value of an option is completed. */
function wordOf({ long, placeholder, values }: OptionPage): 'none' | 'file' | 'directory' | 'values' | 'other' {
  if (placeholder === undefined) return 'none'
  if (values.length > 0) return 'values'
  if (long === '--state-dir') return 'directory'
  return placeholder === 'file' ? 'file' : 'other'
}

function namesOf({ short, long }: OptionPage): readonly string[] {
  return short === undefined ? [long] : [short, long]
}

/** For bash, with or without the bash-completion package. */
export function bashCompletion(pages: readonly CommandPage[]): string {
  const cases = pages.map(({ name, options }) => {
    const words = [...options.flatMap(namesOf), '--help']
    return `    ${name}) options=${quoted(words.join(' '))} ;;`
  })
  const values = [...new Map(pages.flatMap(({ options }) => options.map((option) => [option.long, option] as const))).values()]
  const answers = values.flatMap(bashAnswer)
  const files = pages.filter(({ positionals }) => positionals.some(takesFile)).map(({ name }) => name)
  return `${[
    HEAD,
    '_pointsman() {',
    `  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} options="" choices=""`,
    `  local files=${quoted(` ${files.join(' ')} `)}`,
    '  COMPREPLY=()',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W ${quoted([...pages.map(({ name }) => name), '--help', '--version'].join(' '))} -- "$word"))`,
    '    return',
    '  fi',
    '  case $before in',
    ...answers,
    '  esac',
    `  case \${COMP_WORDS[1]} in`,
    ...cases,
    '  esac',
    '  if [ "$COMP_CWORD" -eq 2 ]; then',
    `    case \${COMP_WORDS[1]} in`,
    ...pages.flatMap(bashFirstWord),
    '    esac',
    '  fi',
    '  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word"))',
    '  elif [ -n "$choices" ]; then COMPREPLY=($(compgen -W "$choices" -- "$word"))',
    `  elif [[ $files == *" \${COMP_WORDS[1]} "* ]]; then COMPREPLY=($(compgen -f -- "$word")); fi`,
    '}',
    'complete -o filenames -F _pointsman pointsman',
  ].join('\n')}\n`
}

/** What is offered where the value of an option is due. */
function bashAnswer(option: OptionPage): readonly string[] {
  const offers = {
    none: undefined,
    file: 'COMPREPLY=($(compgen -f -- "$word")); return',
    directory: 'COMPREPLY=($(compgen -d -- "$word")); return',
    values: `COMPREPLY=($(compgen -W ${quoted(option.values.join(' '))} -- "$word")); return`,
    other: 'return',
  }
  const offer = offers[wordOf(option)]
  return offer === undefined ? [] : [`    ${namesOf(option).join('|')}) ${offer} ;;`]
}

/** What the word behind the command may be, where that is one of a few. */
function bashFirstWord({ name, positionals: [first] }: CommandPage): readonly string[] {
  return first === undefined || first.values.length === 0 ? [] : [`      ${name}) choices=${quoted(first.values.join(' '))} ;;`]
}

function takesFile({ usage }: { readonly usage: string }): boolean {
  return /\bfile\b/.test(usage)
}

export function zshCompletion(pages: readonly CommandPage[]): string {
  const cases = pages.map(({ name, options, positionals }) => {
    const specs = [...options.map(zshOption), "'--help[show the help of the command]'"]
    return `    ${name}) _arguments ${[...specs, ...positionals.map(zshPositional)].join(' ')} ;;`
  })
  return `${[
    '#compdef pointsman',
    HEAD,
    '_pointsman() {',
    '  local -a commands',
    `  commands=(${pages.map(({ name, description }) => quoted(`${name}:${description}`)).join(' ')})`,
    '  if (( CURRENT == 2 )); then _describe command commands; return; fi',
    '  shift words; (( CURRENT-- ))',
    `  case \${words[1]} in`,
    ...cases,
    '  esac',
    '}',
    '_pointsman "$@"',
  ].join('\n')}\n`
}

function zshOption(option: OptionPage): string {
  const explained = `[${option.description.replaceAll(/[[\]:\\]/g, '\\$&')}]`
  const value = zshValue(option)
  return namesOf(option)
    .map((name) => quoted(`${name}${explained}${value}`))
    .join(' ')
}

function zshValue(option: OptionPage): string {
  switch (wordOf(option)) {
    case 'none':
      return ''
    case 'file':
      return `:${option.placeholder}:_files`
    case 'directory':
      return `:${option.placeholder}:_files -/`
    case 'values':
      return `:${option.placeholder}:(${option.values.join(' ')})`
    case 'other':
      return `:${option.placeholder}:`
  }
}

function zshPositional(positional: PositionalPage): string {
  const { usage, values } = positional
  const name = usage.replaceAll(/[<>[\].]/g, '')
  const kind = usage.includes('...') ? '*' : usage.startsWith('[') ? ':' : ''
  const offer = values.length > 0 ? `(${values.join(' ')})` : takesFile(positional) ? '_files' : ''
  return quoted(`${kind}:${name}:${offer}`)
}

export function fishCompletion(pages: readonly CommandPage[]): string {
  const lines = pages.flatMap(({ name, description, options, positionals }) => [
    `complete -c pointsman -n __fish_use_subcommand -f -a ${name} -d ${quotedForFish(description)}`,
    ...fishFirstWord(name, positionals[0]?.values ?? []),
    ...options.map((option) => fishOption(name, option)),
  ])
  return `${[HEAD, ...lines].join('\n')}\n`
}

function fishFirstWord(command: string, values: readonly string[]): readonly string[] {
  if (values.length === 0) return []
  const isDue = `__fish_seen_subcommand_from ${command}; and not __fish_seen_subcommand_from ${values.join(' ')}`
  return [`complete -c pointsman -n '${isDue}' -f -a '${values.join(' ')}'`]
}

function fishOption(command: string, option: OptionPage): string {
  const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`
  const base = `complete -c pointsman -n '__fish_seen_subcommand_from ${command}'${short} -l ${option.long.slice(2)}`
  return `${base}${fishValue(option)} -d ${quotedForFish(option.description)}`
}

function fishValue(option: OptionPage): string {
  switch (wordOf(option)) {
    case 'none':
      return ''
    case 'file':
      return ' -r -F'
    case 'directory':
      return " -x -a '(__fish_complete_directories)'"
    case 'values':
      return ` -x -a ${quotedForFish(option.values.join(' '))}`
    case 'other':
      return ' -x'
  }
}

/** One word of bash or zsh, which know no backslash in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** One word of fish, which does. */
function quotedForFish(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
