import {
  type Alias,
  isCollection,
  LineCounter,
  parseDocument as parseYamlDocument,
  visit,
  type YAMLError,
  type Document as YamlDocument,
} from 'yaml'
import { linesWithinBrackets } from './brackets.ts'
import { type Document, excerptAt, locateInYaml, type Place, placeAt } from './document.ts'
import type { Issue } from './issue.ts'
import { decodeText, saysNothing } from './text.ts'
import { type UnclosedBracket, yamlProblem } from './yaml-problem.ts'

export type ParseResult =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly issues: readonly Issue[] }

export interface ParseOptions {
  /** Appears in every message; `.json` at its end asks for JSON. */
  readonly path: string
  /** By default what the path's ending says, else whichever fits. */
  readonly format?: 'yaml' | 'json'
  /** Largest size in bytes; MAX_DOCUMENT_BYTES by default. */
  readonly limit?: number
}

/** Levels of lists and mappings: far above what anybody writes, far below what walks through a value by recursion can bear. */
const MAX_DEPTH = 100

/** How often the content of anchors may be repeated through aliases before the file counts as an attack. */
const MAX_ALIAS_EXPANSION = 10_000

/**
 * Reads one YAML or JSON document. Never throws for bad input: a file that is too large, empty, binary, indented with
 * tabs, made of several documents or that has a key twice is answered with issues that say where and what to do.
 */
export function parseDocument(input: string | Uint8Array, options: ParseOptions): ParseResult {
  const { path } = options
  const decoded = decodeText(path, input, options.limit)
  if (!decoded.ok) return { ok: false, issues: [decoded.issue] }
  const { text } = decoded
  if (saysNothing(text)) return failure({ file: path, line: 1, column: 1, path: '', ...EMPTY })
  const format = options.format ?? (path.endsWith('.json') ? 'json' : 'yaml')
  try {
    const result = parseAs(format, path, text)
    return result.ok && isDeeper(result.document.value, MAX_DEPTH) ? failure(tooDeep(path)) : result
  } catch (error) {
    if (error instanceof RangeError) return failure(tooDeep(path))
    throw error
  }
}

function parseAs(format: 'yaml' | 'json', path: string, text: string): ParseResult {
  if (format === 'yaml' && !/^\s*[[{]/.test(text)) return parseYaml(path, text)
  return parseJson(path, text) ?? (format === 'json' ? parseFaultyJson(path, text) : parseYaml(path, text))
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1))
}

/** Where the parsers, which call themselves for every level, run out of stack they know no place. */
function tooDeep(file: string): Issue {
  const problem = 'lists or mappings are nested too deeply'
  return { file, line: 1, column: 1, path: '', problem, remedy: 'write a configuration; none needs more than ten levels' }
}

const EMPTY = {
  problem: 'the file is empty',
  remedy: 'write at least one key; if the file was being written just now, write to a temporary file and rename it',
}

function failure(...issues: readonly Issue[]): ParseResult {
  return { ok: false, issues }
}

/**
 * The fast road: some hundred times faster than YAML. JSON.parse keeps the last of two equal keys in silence, so the
 * keys of the text are counted; whatever is not right takes the slow road, which knows places.
 */
function parseJson(path: string, text: string): ParseResult | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (countKeysOfText(text) !== countKeys(value)) return undefined
  let known: Tree | undefined
  const tree = () => {
    known ??= readTree(text)
    return known
  }
  const locate: Document['locate'] = (at, spot) => locateInYaml(tree().yaml, tree().lines, at, spot)
  return { ok: true, document: { file: path, value, locate, ...linesOf(text, tree) } }
}

function countKeysOfText(text: string): number {
  let keys = 0
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (match[1] !== undefined) keys++
  return keys
}

function countKeys(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countKeys(item), 0)
  if (typeof value !== 'object' || value === null) return 0
  const values = Object.values(value)
  return values.reduce<number>((sum, item) => sum + countKeys(item), values.length)
}

function parseYaml(path: string, text: string): ParseResult {
  const tree = readTree(text)
  const { yaml, lines } = tree
  const shown = linesOf(text, () => tree)
  if (yaml.errors.some((error) => error.message.startsWith('Maximum call stack'))) throw new RangeError('nested too deeply')
  if (yaml.errors.length + yaml.warnings.length > 0) return { ok: false, issues: syntaxIssues(path, text, tree, shown) }
  const locate: Document['locate'] = (at, spot) => locateInYaml(yaml, lines, at, spot)
  const bare: Document = { file: path, value: undefined, locate, ...shown }
  const circle = circularAlias(yaml)
  if (circle !== undefined)
    return failure(textIssue(path, placeAt(lines, circle.range?.[0] ?? 0), shown, CIRCLE.problem, CIRCLE.remedy))
  try {
    return { ok: true, document: { ...bare, value: yaml.toJS({ maxAliasCount: MAX_ALIAS_EXPANSION }) } }
  } catch (error) {
    return failure(aliasIssue(bare, yaml, lines, error))
  }
}

const CIRCLE = {
  problem: 'the alias that begins with * stands within what it names, which would have no end',
  remedy: 'put the text in quotes if it is none, or name another anchor',
}

function circularAlias(yaml: YamlDocument): Alias | undefined {
  let circle: Alias | undefined
  visit(yaml, {
    Alias: (_, alias, around) => {
      if (!around.some((node) => isCollection(node) && node.anchor === alias.source)) return undefined
      // An anchor of the same name may have come in between.
      const named = alias.resolve(yaml)
      if (!around.some((node) => node === named)) return undefined
      circle = alias
      return visit.BREAK
    },
  })
  return circle
}

/** One issue per line, ten at most: what follows a broken line is often only its echo. */
function syntaxIssues(path: string, text: string, { yaml, lines }: Tree, shown: Shown): Issue[] {
  const issues = new Map<number, Issue>()
  for (const error of [...yaml.errors, ...yaml.warnings]) {
    const place = placeAt(lines, firstVisible(text, error.pos[0]))
    if (issues.has(place.line) || issues.size === 10) continue
    const unclosed = unclosedBracket(error, text, yaml, lines)
    const { problem, remedy, line, column } =
      unclosedQuote(error, text, yaml, lines) ?? yamlProblem(error, shown.lineText(place.line), unclosed)
    const at = { line: line ?? place.line, column: column ?? place.column }
    issues.set(place.line, textIssue(path, at, shown, problem, remedy))
  }
  return [...issues.values()]
}

/** The parser may mean the line end before what it stumbles over. */
function firstVisible(text: string, position: number): number {
  const blanks = /[ \r\n]*/y
  blanks.lastIndex = position
  blanks.test(text)
  return blanks.lastIndex < text.length ? blanks.lastIndex : position
}

/** The innermost one that ends where the parser misses a bracket; undefined where it misses none. */
function unclosedBracket(error: YAMLError, text: string, yaml: YamlDocument, lines: LineCounter): UnclosedBracket | undefined {
  if (!/^Flow (map|sequence) .*end with a /.test(error.message)) return undefined
  const [position] = error.pos
  let opened: number | undefined
  visit(yaml, {
    Collection: (_, { flow, range }) => {
      if (flow === true && range?.[1] === position) opened = range[0]
    },
  })
  if (opened === undefined) return undefined
  const bracket = text[opened] === '[' ? '[' : '{'
  const opens = placeAt(lines, opened)
  if (text.slice(position).trim() === '') return { bracket, opens }
  const found = placeAt(lines, position)
  const startsLine = text.slice(position - found.column + 1, position).trim() === ''
  return { bracket, opens, found: { ...found, character: text[position] ?? '', startsLine } }
}

/** A text in quotes that ends with the file; its place is where it begins, for nobody finds the quote that is missing at the end. */
function unclosedQuote(error: YAMLError, text: string, yaml: YamlDocument, lines: LineCounter) {
  if (error.code !== 'MISSING_CHAR' || !error.message.startsWith('Missing closing')) return undefined
  let opened: number | undefined
  visit(yaml, {
    Scalar: (_, { type, range }) => {
      if (type?.startsWith('QUOTE') && range?.[1] === error.pos[0]) opened = range[0]
    },
  })
  if (opened === undefined) return undefined
  const quote = text[opened] ?? ''
  const problem = `the quote ${quote} that opens here is not closed`
  return { problem, remedy: `write ${quote} where the text ends`, ...placeAt(lines, opened) }
}

/** JSON that is none, or that has a key twice. */
function parseFaultyJson(path: string, text: string): ParseResult {
  const tree = readTree(text)
  const { yaml, lines } = tree
  const shown = linesOf(text, () => tree)
  const place = jsonErrorPlace(text)
  if (place === undefined) return parseYaml(path, text)
  const [first] = yaml.errors
  const at = place.line > 0 ? place : placeAt(lines, first?.pos[0] ?? 0)
  return failure(textIssue(path, at, shown, 'this is not JSON', 'correct it here, or give the file a name that ends in .yaml'))
}

interface Tree {
  readonly yaml: YamlDocument
  readonly lines: LineCounter
}

function readTree(text: string): Tree {
  const lines = new LineCounter()
  // The parser's own count loses the lines of a text that goes on over several of them where it expects none.
  lines.addNewLine(0)
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) lines.addNewLine(end + 1)
  const yaml = parseYamlDocument(text, {
    prettyErrors: false,
    merge: true,
    stringKeys: true,
    logLevel: 'error',
  })
  return { yaml, lines }
}

function aliasIssue(document: Document, yaml: YamlDocument, lines: LineCounter, error: unknown): Issue {
  const aliases: Alias[] = []
  visit(yaml, { Alias: (_, alias) => void aliases.push(alias) })
  const unresolved = aliases.find((alias) => alias.resolve(yaml) === undefined)
  const place = placeAt(lines, (unresolved ?? aliases.at(-1))?.range?.[0] ?? 0)
  const issue = (problem: string, remedy: string) => textIssue(document.file, place, document, problem, remedy)
  if (unresolved !== undefined) {
    return issue(
      'the alias that begins with * names an anchor that is not there',
      'put the text in quotes if it is none, or write the anchor before it is used',
    )
  }
  const text = error instanceof Error ? error.message : String(error)
  if (/Excessive alias count/i.test(text)) {
    return issue(
      `aliases repeat their anchors more than ${MAX_ALIAS_EXPANSION} times`,
      'write the values out instead of nesting anchors',
    )
  }
  return issue(`an anchor or alias cannot be followed (${text})`, 'write the values out instead of using anchors')
}

function textIssue(file: string, place: Place, shown: Shown, problem: string, remedy: string): Issue {
  return { file, ...place, path: '', problem, remedy, excerpt: excerptAt(shown, place, problem) }
}

/** Where JSON.parse stumbles; line 0 where it does not say, undefined where it does not stumble. */
function jsonErrorPlace(text: string): Place | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    const match = /line (\d+) column (\d+)/.exec(String(error))
    return { line: Number(match?.[1] ?? 0), column: Number(match?.[2] ?? 0) }
  }
}

/** What excerpts are made of. */
type Shown = Pick<Document, 'lineText' | 'withinBrackets'>

/** Nothing is done before it is asked for. */
function linesOf(text: string, tree: () => Tree): Shown {
  let lines: string[] | undefined
  let within: ReadonlySet<number> | undefined
  return {
    lineText: (line) => {
      lines ??= text.split(/\r?\n/)
      return lines[line - 1] ?? ''
    },
    withinBrackets: (line) => {
      within ??= linesWithinBrackets(tree().yaml, tree().lines)
      return within.has(line)
    },
  }
}
