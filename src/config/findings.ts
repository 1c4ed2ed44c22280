import { type Document, issueAt, type Path, type Spot } from '../document/document.ts'
import type { Issue } from '../document/issue.ts'

/** Gathers what is found while one configuration is read. */
export class Findings {
  readonly issues: Issue[]
  readonly warnings: Issue[]
  readonly #document: Document

  constructor(document: Document, together: Pick<Findings, 'issues' | 'warnings'> = { issues: [], warnings: [] }) {
    this.#document = document
    this.issues = together.issues
    this.warnings = together.warnings
  }

  /** Puts what is found in another document beside what is found in this one. */
  of(document: Document): Findings {
    return new Findings(document, this)
  }

  refuse(path: Path, problem: string, remedy: string, spot: Spot = 'value'): void {
    this.issues.push(issueAt(this.#document, path, spot, problem, remedy))
  }

  warn(path: Path, problem: string, remedy: string, spot: Spot = 'value'): void {
    this.warnings.push(issueAt(this.#document, path, spot, problem, remedy))
  }

  /** Where one path stands, as seen from another one: `on line 3`, or `at conf.d/web.yaml:3` where that is another file. */
  whereIs(path: Path, from: Path): string {
    const { line } = this.#document.locate(path, 'value')
    const file = this.#fileOf(path)
    return file === this.#fileOf(from) ? `on line ${line}` : `at ${file}:${line}`
  }

  #fileOf(path: Path): string {
    return (this.#document.origin?.(path).document ?? this.#document).file
  }
}

/** By file and in the order of each file; what has no place (flags, variables) last. */
export function inOrder(issues: readonly Issue[], files: readonly string[]): Issue[] {
  const fileOf = ({ file }: Issue) => (files.includes(file) ? files.indexOf(file) : files.length)
  const order = (issue: Issue) => (issue.line ?? Number.MAX_SAFE_INTEGER) * 1_000_000 + (issue.column ?? 0)
  return issues.toSorted((a, b) => fileOf(a) - fileOf(b) || order(a) - order(b))
}
