import { type Found, lookUp, namesNoDocuments, type Surroundings } from './lookup.ts'
import { type Parameter, parseTemplate, shownText, type Template, type TemplateFault } from './template.ts'

/** A value from outside of the file, and the parameter that stands for it in sentences. */
export interface Outsider {
  readonly written: string
  readonly value: string
}

interface Text {
  readonly ok: true
  readonly text: string
  readonly outsiders: readonly Outsider[]
}

type Piece = Text | ({ readonly ok: false } & TemplateFault)

/** `shown`: the text with its parameters in it, as people may see it. */
export type Resolved = (Text & { readonly shown: string }) | ({ readonly ok: false } & TemplateFault)

/** A text with everything in place of its parameters. What a parameter stands for is not looked through for further ones. */
export function resolveText(text: string, surroundings: Surroundings): Resolved {
  const reading = parseTemplate(text, { leaveShell: namesNoDocuments(surroundings) })
  if (!reading.ok) return reading
  const resolved = resolveTemplate(reading.template, surroundings)
  return resolved.ok ? { ...resolved, shown: shownText(reading.template) } : resolved
}

function resolveTemplate(template: Template, surroundings: Surroundings): Piece {
  let text = ''
  const outsiders: Outsider[] = []
  for (const piece of template) {
    const resolved = typeof piece === 'string' ? plain(piece) : resolveParameter(piece, surroundings)
    if (!resolved.ok) return resolved
    text += resolved.text
    outsiders.push(...resolved.outsiders)
  }
  return { ok: true, text, outsiders }
}

function plain(text: string): Text {
  return { ok: true, text, outsiders: [] }
}

function resolveParameter(parameter: Parameter, surroundings: Surroundings): Piece {
  const { written, at, fallback } = parameter
  const name = resolveTemplate(parameter.name, surroundings)
  if (!name.ok) return name
  const found: Found = lookUp(name.text, surroundings)
  if (found.kind === 'value') {
    const { text, outside } = found
    return { ok: true, text, outsiders: outside ? [{ written, value: text }] : [] }
  }
  if (found.kind === 'none' && fallback !== undefined) return resolveTemplate(fallback, surroundings)
  const { problem, remedy, transient } = found
  return { ok: false, at, problem: `${written} ${problem}`, remedy, ...(transient && { transient }) }
}
