import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
  type Document as YamlDocument,
} from 'yaml'
import { excerptOf } from './excerpt.ts'
import type { Issue } from './issue.ts'
import { withoutLogin } from './reading.ts'

/** Keys and list positions from the top of a document to one value. */
export type Path = readonly (string | number)[]

/** Whether a message is about the key or about the value that stands behind it. */
export type Spot = 'key' | 'value'

/** Counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A parsed file: plain values, and where each of them stands. */
export interface Document {
  readonly file: string
  readonly value: unknown
  /** Place of a key or value; of the nearest thing around it where it is not written. */
  locate(path: Path, spot: Spot): Place
  /** One line of the text without its end; counted from 1. */
  lineText(line: number): string
  /** Whether a line begins within the brackets of a list or mapping that an earlier one opens; absent where there are no lines. */
  withinBrackets?(line: number): boolean
  /** Of a document that several files make up: the file in which a path stands, and the path there. */
  origin?(path: Path): { readonly document: Document; readonly path: Path }
  /** Texts at, above and below a path that hold values from outside of the files, which may be secrets. */
  veiled?(path: Path): readonly Veiled[]
}

/** A text that was made of values from outside of its file, such as variables of the environment. */
export interface Veiled {
  readonly path: Path
  /** As it stands in the file, but for defaults of parameters. */
  readonly written: string
  /** The values, each with what stands for it in the file. */
  readonly values: readonly { readonly written: string; readonly value: string }[]
}

/** `services[2].backends[0].weight` */
export function formatPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

/** An issue at a place in a document, with its source line. */
export function issueAt(document: Document, path: Path, spot: Spot, problem: string, remedy: string): Issue {
  const { document: file, path: at } = document.origin?.(path) ?? { document, path }
  const place = file.locate(at, spot)
  const veiled = document.veiled?.(path) ?? []
  const said = { problem: withoutValues(problem, veiled), remedy: withoutValues(remedy, veiled) }
  return {
    file: file.file,
    ...place,
    path: formatPath(at),
    ...said,
    excerpt: excerptAt(file, place, said.problem),
  }
}

/** The line of a place and a caret below it, without what may be a secret. */
export function excerptAt(file: Pick<Document, 'lineText' | 'withinBrackets'>, place: Place, sentence: string): string {
  return excerptOf(file.lineText(place.line), place, sentence, file.withinBrackets?.(place.line))
}

/** A document some of whose texts hold values from outside. */
export function veil(document: Document, veiled: readonly Veiled[]): Document {
  return { ...document, veiled: (path) => veiledAt(veiled, path) }
}

/** Those at a path, above it and below it. */
export function veiledAt(veiled: readonly Veiled[], path: Path): readonly Veiled[] {
  return veiled.filter((each) => isWithin(each.path, path) || isWithin(path, each.path))
}

/** Whether one path is another one or leads to it. */
function isWithin(outer: Path, inner: Path): boolean {
  return outer.length <= inner.length && outer.every((step, depth) => step === inner[depth])
}

/** Shorter ones are no secrets, and would be found everywhere in a sentence. */
const SHORTEST_SECRET = 4

/** What stands for the values in the file, in place of the values. */
function withoutValues(sentence: string, veiled: readonly Veiled[]): string {
  let text = sentence
  for (const { written, value } of veiled.flatMap(({ values }) => values)) {
    if (value.length < SHORTEST_SECRET) continue
    const forms = [value, withoutLogin(value)].flatMap((form) => [form, JSON.stringify(form).slice(1, -1)])
    for (const form of new Set(forms)) text = withoutForm(text, form, written)
  }
  return text
}

/** Long texts are shown up to a point, which may be within a value. */
function withoutForm(sentence: string, form: string, written: string): string {
  let text = sentence.replaceAll(form, () => written)
  for (let length = form.length - 1; length > 0 && text.includes('...'); length--)
    text = text.replaceAll(`${form.slice(0, length)}...`, () => `${written}...`)
  return text
}

/** Finds places in the tree that the YAML parser leaves behind. */
export function locateInYaml(yaml: YamlDocument, lines: LineCounter, path: Path, spot: Spot): Place {
  let node: Node | null | undefined = yaml.contents as Node | null
  let offset = startOf(node) ?? 0
  for (const [depth, step] of path.entries()) {
    const found = stepInto(resolved(yaml, node), step, yaml)
    if (!found) return placeAt(lines, offset)
    // Entries of lists have none.
    const wantsKey = spot === 'key' && depth === path.length - 1 && found.pair !== undefined
    const keyStart = found.pair && startOf(found.pair.key as Node | null)
    offset = (wantsKey ? keyStart : startOf(found.value)) ?? keyStart ?? offset
    node = found.value
  }
  return placeAt(lines, offset)
}

function stepInto(
  node: Node | null | undefined,
  step: string | number,
  yaml: YamlDocument,
): { value: Node | null; pair?: Pair } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step]
    if (item === undefined) return undefined
    return isPair(item) ? undefined : { value: item as Node }
  }
  if (!isMap(node)) return undefined
  for (const pair of node.items) {
    if (keyText(pair) === String(step)) return { value: pair.value as Node | null, pair }
  }
  for (const pair of node.items) {
    if (keyText(pair) !== '<<') continue
    const merged = resolved(yaml, pair.value as Node | null)
    for (const source of isSeq(merged) ? merged.items : [merged]) {
      const found = stepInto(resolved(yaml, source as Node | null), step, yaml)
      if (found) return found
    }
  }
  return undefined
}

function keyText(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined
}

function resolved(yaml: YamlDocument, node: Node | null | undefined): Node | null | undefined {
  return isAlias(node) ? node.resolve(yaml) : node
}

function startOf(node: Node | null | undefined): number | undefined {
  return node?.range?.[0]
}

/** Place of an offset into the text. */
export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}
