import { basename, dirname, join, resolve } from 'node:path'
import { type Document, issueAt, type Path } from '../../document/document.ts'
import type { Issue } from '../../document/issue.ts'
import { parseDocument } from '../../document/parse.ts'
import { hint } from '../../document/reading.ts'
import { interpret } from '../../document/schema.ts'
import type { Surroundings } from '../parameters/lookup.ts'
import { type Reach, type Unreachable, unreachableAt } from '../reach.ts'
import type { ReadTrace } from '../read-trace.ts'
import { earlyTexts } from './early-texts.ts'
import { expand, isPattern } from './glob.ts'
import { includeSchema } from './include-schema.ts'

/** The files of a configuration beside the first one; more than any needs. */
const MAX_FILES = 1_000

/** The files that a configuration is made of, the first one first. */
export interface IncludedFiles {
  readonly documents: readonly [Document, ...Document[]]
  readonly issues: readonly Issue[]
}

/** Reads what `include` names, and what that includes in turn: depth first, each pattern in the order of the names. */
export async function readIncluded(
  main: Document,
  surroundings: Surroundings,
  reach: Reach,
  trace: ReadTrace,
): Promise<IncludedFiles> {
  const reader = new IncludeReader(main, surroundings, reach, trace)
  await reader.follow(main, [absolute(main.file)])
  return { documents: [main, ...reader.documents], issues: reader.issues }
}

/** A pattern, and where it stands. */
interface Entry {
  readonly document: Document
  readonly path: Path
  readonly pattern: string
}

class IncludeReader {
  readonly documents: Document[] = []
  readonly issues: Issue[] = []
  readonly #surroundings: Surroundings
  readonly #reach: Reach
  readonly #trace: ReadTrace
  /** Absolute paths, each with the place that names it. */
  readonly #seen: Map<string, string>

  constructor(main: Document, surroundings: Surroundings, reach: Reach, trace: ReadTrace) {
    this.#surroundings = surroundings
    this.#reach = reach
    this.#trace = trace
    this.#seen = new Map([[absolute(main.file), main.file]])
  }

  /** `chain`: the files that lead here, the one that is followed included. */
  async follow(document: Document, chain: readonly string[]): Promise<void> {
    for (const entry of this.#entriesOf(document)) {
      const { pattern } = entry
      const expansion = await this.#expansionOf(entry)
      for (const path of expansion) await this.#take(path, entry, chain, isPattern(pattern))
    }
  }

  #entriesOf(document: Document): Entry[] {
    const raw = (document.value as Readonly<Record<string, unknown>> | null)?.['include']
    if (raw === undefined) return []
    if (!Array.isArray(raw)) {
      const problem = raw === null ? 'nothing is written here' : `${hint(raw)} stands where a list is due`
      this.#refuse(document, ['include'], problem, 'write a list of paths, such as [conf.d/*.yaml]')
      return []
    }
    const early = earlyTexts(document, raw, ['include'], this.#surroundings)
    this.issues.push(...early.issues)
    if (early.issues.length > 0) return []
    return (early.value as readonly unknown[]).flatMap((each, index): Entry[] => {
      const path = ['include', index]
      const read = interpret(includeSchema.element, each, early.document, path)
      this.issues.push(...read.issues)
      return read.value === undefined ? [] : [{ document, path, pattern: read.value }]
    })
  }

  /** Paths as messages show them: from where the first file was named. */
  async #expansionOf({ document, path, pattern }: Entry): Promise<readonly string[]> {
    const from = besides(document.file, pattern)
    if (!isPattern(pattern)) return [from]
    const expansion = await expand(from, this.#reach.list)
    this.#trace.expanded(from, expansion)
    if (expansion.ok) return expansion.paths
    this.#refuseUnreachable(document, path, expansion)
    return []
  }

  async #take(file: string, entry: Entry, chain: readonly string[], guessed: boolean): Promise<void> {
    const { document, path } = entry
    const identity = absolute(file)
    if (chain.includes(identity)) {
      // A pattern such as *.yaml may well stand for the file that it is written in.
      if (guessed && chain.at(-1) === identity) return
      const way = [...chain.slice(chain.indexOf(identity)), identity].map((each) => basename(each)).join(' includes ')
      this.#refuse(document, path, `files include each other: ${way}`, 'remove one of these entries')
      return
    }
    const before = this.#seen.get(identity)
    const place = placeOf(entry)
    if (before !== undefined) {
      if (before !== place) this.#refuse(document, path, `${file} is included already, at ${before}`, 'keep one of the two')
      return
    }
    if (this.#seen.size > MAX_FILES) {
      if (this.#seen.size === MAX_FILES + 1)
        this.#refuse(document, path, `more than ${MAX_FILES} files are included`, 'put several of them into one')
      this.#seen.set(identity, place)
      return
    }
    this.#seen.set(identity, place)
    const read = await this.#reach.read(file)
    this.#trace.read(file, read)
    if (!read.ok) {
      this.#refuseUnreachable(document, path, { ...read, problem: `${file}: ${read.problem}` })
      return
    }
    const parsed = parseDocument(read.bytes, { path: file })
    if (!parsed.ok) {
      this.issues.push(...parsed.issues)
      return
    }
    this.documents.push(parsed.document)
    await this.follow(parsed.document, [...chain, identity])
  }

  #refuseUnreachable(document: Document, path: Path, what: Unreachable): void {
    this.issues.push(unreachableAt(document, path, what))
  }

  #refuse(document: Document, path: Path, problem: string, remedy: string): void {
    this.issues.push(issueAt(document, path, 'value', problem, remedy))
  }
}

/** From the directory of the file that names it; from the working directory where that is standard input. */
export function besides(file: string, path: string): string {
  return path.startsWith('/') ? path : join(file === '-' ? '' : dirname(file), path)
}

function absolute(file: string): string {
  return file === '-' ? '-' : resolve(file)
}

function placeOf({ document, path }: Entry): string {
  return `${document.file}:${document.locate(path, 'value').line}`
}
