/** A text with parameters in it, piece by piece. */
export type Template = readonly (string | Parameter)[]

/** `${env.PORT:-8080}` */
export interface Parameter {
  /** As written, from the dollar sign to the closing brace, but for a default: that may be a secret, and this is what people see. */
  readonly written: string
  /** Where it begins in the text, counted from 0. */
  readonly at: number
  /** May itself be made of parameters: `${backends.${env.STAGE}}`. */
  readonly name: Template
  /** What stands behind `:-`, for where the name stands for nothing. */
  readonly fallback?: Template
}

/** What is wrong, and where in the text, counted from 0. */
export interface TemplateFault {
  readonly at: number
  readonly problem: string
  readonly remedy: string
  /** A moment later it may be right. */
  readonly transient?: true
}

export type TemplateReading = { readonly ok: true; readonly template: Template } | ({ readonly ok: false } & TemplateFault)

/** Parameters within parameters. */
const MAX_DEPTH = 10

/** A parameter as people write it: `${env.PORT}`. */
export function asWritten(name: string): string {
  return `\${${name}}`
}

/** Whether a text could hold a parameter or an escaped one. */
export function mayHaveParameters(text: string): boolean {
  return text.includes('${')
}

export interface TemplateOptions {
  /** Whether what a shell would replace, `${NAME:-default}`, is left to it. */
  readonly leaveShell?: boolean
}

/**
 * What begins a parameter of a shell: `${NAME}`, `${#NAME}`, `${1}`, `${NAME[0]}`, `${NAME:-default}`, `${NAME%.*}`. Its names
 * have no dots, so that `${env.NAME}` is none.
 */
const SHELL = /\$\{(?:[#!]?(?:[A-Za-z_]\w*|\d+)(?:\[[^\]{}]*\](?!\.))?|[#!]?[@*#?$!-])(?=[}:=?+#%/^,@*-])/y

/** Takes a text apart: `${` begins a parameter, `$${` stands for `${` itself, every other dollar sign for itself. Never throws. */
export function parseTemplate(text: string, { leaveShell = false }: TemplateOptions = {}): TemplateReading {
  try {
    const parser = new TemplateParser(text, leaveShell)
    return { ok: true, template: parser.pieces(0, []) }
  } catch (error) {
    if (error instanceof Fault) return { ok: false, at: error.at, problem: error.problem, remedy: error.remedy }
    throw error
  }
}

/** A text as people may see it: with its parameters, and without their defaults. */
export function shownText(template: Template): string {
  return template.map((piece) => (typeof piece === 'string' ? piece : piece.written)).join('')
}

class Fault extends Error {
  readonly at: number
  readonly problem: string
  readonly remedy: string

  constructor(at: number, problem: string, remedy: string) {
    super(problem)
    this.at = at
    this.problem = problem
    this.remedy = remedy
  }
}

class TemplateParser {
  readonly #text: string
  readonly #leaveShell: boolean
  #at = 0

  constructor(text: string, leaveShell: boolean) {
    this.#text = text
    this.#leaveShell = leaveShell
  }

  /** Up to one of the ends, which is left to the caller; to the end of the text where there are none. */
  pieces(depth: number, ends: readonly string[]): Template {
    const pieces: (string | Parameter)[] = []
    let plain = ''
    const flush = () => {
      if (plain !== '') pieces.push(plain)
      plain = ''
    }
    while (this.#at < this.#text.length && !ends.some((end) => this.#sees(end))) {
      if (this.#sees('$${')) {
        plain += '${'
        this.#at += 3
      } else if (depth === 0 && this.#seesShell()) {
        // Only the beginning: parameters of ours may stand in the default of one of the shell.
        plain += '${'
        this.#at += 2
      } else if (this.#sees('${')) {
        flush()
        pieces.push(this.#parameter(depth))
      } else plain += this.#text[this.#at++]
    }
    flush()
    return pieces
  }

  #parameter(depth: number): Parameter {
    const at = this.#at
    if (depth === MAX_DEPTH)
      throw new Fault(at, 'parameters are nested too deeply', `write at most ${MAX_DEPTH} of them within each other`)
    this.#at += 2
    const name = this.pieces(depth + 1, ['}', ':-'])
    if (name.length === 0)
      throw new Fault(at, 'the parameter has no name', `write one, such as ${asWritten('env.PORT')}; $$\{ stands for $\{ itself`)
    let fallback: Template | undefined
    if (this.#sees(':-')) {
      this.#at += 2
      fallback = this.pieces(depth + 1, ['}'])
    }
    if (!this.#sees('}'))
      throw new Fault(at, 'the parameter that begins here has no end', 'write } behind its name; $${ stands for ${ itself')
    this.#at++
    const written = `\${${shownText(name)}${fallback === undefined ? '' : ':-...'}}`
    return { written, at, name, ...(fallback !== undefined && { fallback }) }
  }

  #seesShell(): boolean {
    SHELL.lastIndex = this.#at
    return this.#leaveShell && SHELL.test(this.#text)
  }

  #sees(word: string): boolean {
    return this.#text.startsWith(word, this.#at)
  }
}
