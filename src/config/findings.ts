import { type Document, issueAt, type Path, type Spot } from '../document/document.ts'
import type { Issue } from '../document/issue.ts'

/** Gathers what is found while one configuration is read. */
export class Findings {
  readonly issues: Issue[] = []
  readonly warnings: Issue[] = []
  readonly #document: Document

  constructor(document: Document) {
    this.#document = document
  }

  refuse(path: Path, problem: string, remedy: string, spot: Spot = 'value'): void {
    this.issues.push(issueAt(this.#document, path, spot, problem, remedy))
  }

  warn(path: Path, problem: string, remedy: string, spot: Spot = 'value'): void {
    this.warnings.push(issueAt(this.#document, path, spot, problem, remedy))
  }

  lineOf(path: Path): number {
    return this.#document.locate(path, 'value').line
  }
}

/** In the order of the file; what has no place (flags, variables) last. */
export function inOrder(issues: readonly Issue[]): Issue[] {
  const order = (issue: Issue) => (issue.line ?? Number.MAX_SAFE_INTEGER) * 1_000_000 + (issue.column ?? 0)
  return issues.toSorted((a, b) => order(a) - order(b))
}
