import { dirname, resolve } from 'node:path'
import { type Issue, issuesError } from '../../document/issue.ts'
import { ownEntry } from '../../document/own-entry.ts'
import type { ReadResult } from '../../document/read.ts'
import { decodeText } from '../../document/text.ts'
import { HIDDEN } from '../../model/hidden.ts'
import type { LeftOut, Place } from '../imported.ts'
import { SECRET, withoutSecrets } from '../secrets.ts'
import { readTurns } from './sequence.ts'
import { withoutComment } from './words.ts'

/** How files are come by. */
export interface Files {
  read(path: string): Promise<ReadResult>
  /** The files that a pattern stands for, in the order of their names; none where there are none. */
  matching(pattern: string): Promise<readonly string[]>
}

/** A line as keepalived would read it, when comments, conditions and parameters are done with. */
export interface Line {
  readonly text: string
  readonly place: Place
}

export interface Lines {
  readonly lines: readonly Line[]
  readonly leftOut: readonly LeftOut[]
}

/** Lines that one file may become: parameters and sequences multiply them. */
const MOST_LINES = 200_000
const DEEPEST = 64

/**
 * Reads a file with all that it includes, up to the words (keepalived.conf(5), ADVANCED CONFIGURATION). `configId` decides lines
 * that begin with `@`. Rejects with CONFIG_UNREADABLE or CONFIG_INVALID.
 */
export async function readLines(path: string, files: Files, configId: string | undefined): Promise<Lines> {
  const reader = new LineReader(files, configId)
  await reader.file(path, [])
  return reader
}

class LineReader implements Lines {
  readonly lines: Line[] = []
  readonly leftOut: LeftOut[] = []
  readonly #files: Files
  readonly #configId: string | undefined
  readonly #parameters = new Map<string, string>()

  constructor(files: Files, configId: string | undefined) {
    this.#files = files
    this.#configId = configId
  }

  async file(path: string, within: readonly string[]): Promise<void> {
    const read = await this.#files.read(path)
    if (!read.ok) throw issuesError('CONFIG_UNREADABLE', [read.issue])
    const text = this.#textOf(path, read.bytes)
    const stack = [...within, resolve(path)]
    const before = this.#parameters.get('_PWD')
    this.#parameters.set('_PWD', dirname(resolve(path)))
    for (const one of joined(text)) await this.#line(one.text, { file: path, line: one.line }, stack, 0)
    if (before !== undefined) this.#parameters.set('_PWD', before)
  }

  /** keepalived knows bytes alone, and old files have comments in Latin 1. What is none in UTF-8 outside of comments is listed. */
  #textOf(path: string, bytes: Uint8Array): string {
    const decoded = decodeText(path, bytes)
    if (decoded.ok) return decoded.text
    const latin = decodeText(path, Buffer.from(bytes).toString('latin1'))
    if (!latin.ok) throw issuesError('CONFIG_INVALID', [{ ...decoded.issue, remedy: 'name a keepalived.conf' }])
    for (const { text, line } of joined(latin.text)) {
      if (!/[^\0-\x7f]/.test(text)) continue
      const directive = /^\s*\S+/.exec(text)?.[0].trim() ?? ''
      this.leftOut.push({
        file: path,
        line,
        directive,
        reason: 'the file is not UTF-8, and was read as Latin 1',
        remedy: 'look at it in the result',
      })
    }
    return latin.text
  }

  async #line(line: string, place: Place, stack: readonly string[], depth: number): Promise<void> {
    if (depth > DEEPEST) throw invalid(place, 'parameters stand for each other without an end', 'remove the circle')
    if (line.includes('\n') && !BEGINS_DEFINITION.test(line)) {
      for (const one of line.split('\n')) await this.#line(one, place, stack, depth + 1)
      return
    }
    const text = line.trim()
    if (text === '') return
    if (text.startsWith('@')) return this.#conditional(text, place, stack, depth)
    const [, include] = /^include[rmwba]?\s+(.+)$/.exec(text) ?? []
    if (include !== undefined) return this.#include(this.#replaceAll(include).replaceAll(/^["']|["']$/g, ''), place, stack)
    const [, name, value] = DEFINITION.exec(text) ?? []
    if (name !== undefined) this.#parameters.set(name, value ?? '')
    else if (text.startsWith('~')) await this.#turns(text, place, stack, depth)
    else await this.#plain(text, place, stack, depth)
  }

  async #plain(text: string, place: Place, stack: readonly string[], depth: number): Promise<void> {
    const replaced = this.#replaceOne(text)
    if (replaced !== undefined) return this.#line(replaced, place, stack, depth + 1)
    const [random] = /\$\{_(RANDOM|ENV)[^}]*\}/.exec(text) ?? []
    if (random !== undefined) {
      const reason = 'has another value wherever and whenever the file is read'
      this.leftOut.push({ ...place, directive: random, reason, remedy: 'write the value that is meant' })
    }
    if (this.lines.length === MOST_LINES)
      throw invalid(place, `the file becomes more than ${MOST_LINES} lines`, 'split it, and import the parts')
    this.lines.push({ text, place })
  }

  async #conditional(text: string, place: Place, stack: readonly string[], depth: number): Promise<void> {
    const [, not, id, rest = ''] = /^@(\^?)(\S*)\s*(.*)$/s.exec(text) ?? []
    if (this.#configId === undefined) {
      this.leftOut.push({
        ...place,
        directive: shownForHosts(text),
        reason: `whether the line counts depends on the host that reads it`,
        remedy: `import with --config-id ${id}, or with the name of another host`,
      })
    } else if ((id === this.#configId) !== (not === '^')) await this.#line(rest, place, stack, depth + 1)
  }

  async #include(pattern: string, place: Place, stack: readonly string[]): Promise<void> {
    const paths = await this.#files.matching(resolve(dirname(stack.at(-1) ?? ''), pattern))
    const directive = `include ${withoutSecrets(pattern)}`
    if (paths.length === 0)
      this.leftOut.push({ ...place, directive, reason: 'there is no such file here', remedy: 'import where the files are' })
    for (const path of paths) {
      if (stack.includes(path)) throw invalid(place, `${path} includes itself`, 'remove the circle')
      await this.file(path, stack)
    }
  }

  async #turns(text: string, place: Place, stack: readonly string[], depth: number): Promise<void> {
    const [head = '', rest = ''] = split(text)
    const turns = readTurns(`${this.#replaceAll(head)}${rest}`)
    if (turns === undefined)
      throw invalid(
        place,
        `what begins with ${/^~\w*/.exec(head)?.[0]} cannot be read`,
        'write ~SEQ(name, start, step, end) or ~LST(name, one, two)',
      )
    for (const values of turns.turns) {
      for (const [index, name] of turns.names.entries()) this.#parameters.set(name, values[index] ?? '')
      await this.#line(turns.rest, place, stack, depth + 1)
    }
    for (const name of turns.names) this.#parameters.delete(name)
  }

  /** The text with its first known parameter replaced; undefined where it has none. */
  #replaceOne(text: string): string | undefined {
    for (const match of text.matchAll(PARAMETER)) {
      const value = this.#valueOf(match[1] ?? match[2] ?? '')
      if (value !== undefined) return text.slice(0, match.index) + value + text.slice(match.index + match[0].length)
    }
    return undefined
  }

  #replaceAll(text: string): string {
    let replaced = text
    for (let turn = 0; turn < DEEPEST; turn++) replaced = this.#replaceOne(replaced) ?? replaced
    return replaced
  }

  #valueOf(name: string): string | undefined {
    if (name === '_INSTANCE') return this.#configId
    // As escapes, so that they begin no comment and end no word.
    return ownEntry({ _HASH: '\\#', _BANG: '\\!' }, name) ?? this.#parameters.get(name)
  }
}

/** Up to the word behind which a secret may follow, or the program whose arguments may be secrets. */
const BEFORE_SECRET = new RegExp(
  `^.*?(?:(?:${SECRET.source})[\\w-]*|(?:notify|quorum_|failover_|misc_path|script)[\\w-]*(?:\\s+["']?[^\\s"'=]+)?)`,
  'is',
)

/** A line for some hosts as people find it. A parameter or a block on one line may hold a secret anywhere in it. */
function shownForHosts(line: string): string {
  const [, condition = '', rest = ''] = /^(@\S*\s*)(.*)$/s.exec(line) ?? []
  const [named] = BEFORE_SECRET.exec(rest) ?? []
  if (named === undefined || /^["']?\s*\{?$/.test(rest.slice(named.length))) return `${condition}${withoutSecrets(rest)}`
  return `${condition}${withoutSecrets(named)} ${HIDDEN}`
}

const DEFINITION = /^\$([A-Za-z_]\w*)=(.*)$/s
/** On its own line, also where it counts on some hosts only. */
const BEGINS_DEFINITION = /^[^\S\n]*(?:@\S+[^\S\n]+)?\$[A-Za-z_]\w*=/
const PARAMETER = /\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)(?=\s|$)/g

function split(text: string): readonly [string, string] {
  const end = text.indexOf(')') + 1
  return end === 0 ? [text, ''] : [text.slice(0, end), text.slice(end)]
}

/** Lines without comments; one that ends in a backslash goes on in the next, which stays a line of its own in a definition. */
function joined(text: string): { readonly text: string; readonly line: number }[] {
  const found: { text: string; line: number }[] = []
  let open: { text: string; line: number } | undefined
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const bare = withoutComment(raw).trimEnd()
    const goesOn = bare.endsWith('\\') && !bare.endsWith('\\\\')
    const part = goesOn ? bare.slice(0, -1) : bare
    if (open === undefined) open = { text: part, line: index + 1 }
    else open.text += `${BEGINS_DEFINITION.test(open.text) ? '\n' : ' '}${part}`
    if (goesOn) continue
    found.push(open)
    open = undefined
  }
  return open === undefined ? found : [...found, open]
}

export function invalid({ file, line }: Place, problem: string, remedy: string): Error {
  const issue: Issue = { file, ...(line !== undefined && { line }), path: '', problem, remedy }
  return issuesError('CONFIG_INVALID', [issue])
}
