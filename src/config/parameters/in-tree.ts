import { type Document, excerptAt, issueAt, type Path, type Veiled } from '../../document/document.ts'
import type { Issue } from '../../document/issue.ts'
import type { Surroundings } from './lookup.ts'
import { type Outsider, resolveText } from './resolve.ts'
import { mayHaveParameters, type TemplateFault } from './template.ts'

/** A text that was made of parameters. */
export interface Occurrence {
  readonly path: Path
  /** As people may see it. */
  readonly written: string
  readonly text: string
  readonly outsiders: readonly Outsider[]
}

export interface ResolvedTree {
  /** A copy as far as anything changed. */
  readonly value: unknown
  readonly occurrences: readonly Occurrence[]
  readonly issues: readonly Issue[]
}

/** Resolves the parameters in every text of a part of a document; keys are left as they are. */
export function resolveTree(document: Document, value: unknown, at: Path, surroundings: Surroundings): ResolvedTree {
  // Most configurations have none, and some have ten thousand backends.
  if (!someText(value, mayHaveParameters)) return { value, occurrences: [], issues: [] }
  const occurrences: Occurrence[] = []
  const issues: Issue[] = []
  /** Parts without parameters, which aliases of YAML may repeat thousands of times. */
  const plain = new WeakSet<object>()
  const resolved = (node: unknown, path: Path): unknown => {
    if (typeof node === 'string') return mayHaveParameters(node) ? ofText(node, path) : node
    if (typeof node !== 'object' || node === null || plain.has(node)) return node
    const before = Object.entries(node)
    const after = before.map(([key, each]) => [key, resolved(each, [...path, Array.isArray(node) ? Number(key) : key])] as const)
    if (after.every(([, each], index) => each === before[index]?.[1])) {
      plain.add(node)
      return node
    }
    return Array.isArray(node) ? after.map(([, each]) => each) : Object.fromEntries(after)
  }
  const ofText = (written: string, path: Path): string => {
    const result = resolveText(written, surroundings)
    if (!result.ok) {
      issues.push(issueInText(document, path, written, result))
      return written
    }
    const { text, shown, outsiders } = result
    occurrences.push({ path, written: shown, text, outsiders })
    return text
  }
  return { value: resolved(value, at), occurrences, issues }
}

/** Whether any text in a part of a document is such a one; keys are not asked. */
export function someText(node: unknown, isSuch: (text: string) => boolean): boolean {
  if (typeof node === 'string') return isSuch(node)
  return typeof node === 'object' && node !== null && Object.values(node).some((each) => someText(each, isSuch))
}

/** Of those that hold values from outside. */
export function toVeiled(occurrences: readonly Occurrence[]): Veiled[] {
  const outside = occurrences.filter(({ outsiders }) => outsiders.length > 0)
  return outside.map(({ path, written, outsiders }) => ({ path, written, values: outsiders }))
}

/** At the parameter itself, where its text stands in one line as it is. */
function issueInText(document: Document, path: Path, text: string, { at, problem, remedy, transient }: TemplateFault): Issue {
  const issue: Issue = { ...issueAt(document, path, 'value', problem, remedy), ...(transient && { transient }) }
  const { document: file } = document.origin?.(path) ?? { document }
  const { line = 1, column = 1 } = issue
  const from = file.lineText(line).indexOf(text.slice(at).split('\n', 1)[0] ?? '', column - 1)
  if (from < 0) return issue
  const place = { line, column: from + 1 }
  return { ...issue, ...place, excerpt: excerptAt(file, place, issue.problem) }
}
