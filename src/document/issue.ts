import { type ErrorCode, PointsmanError } from '../errors.ts'

/** One thing that is wrong (or worth a warning) in something that a person wrote, and what to write instead. */
export interface Issue {
  /** Path of the file as it was given, or the name of the flag or environment variable. */
  readonly file: string
  /** Counted from 1; absent where there is no text to point at (flags, variables, a file that cannot be read). */
  readonly line?: number
  /** Counted from 1, in UTF-16 code units. */
  readonly column?: number
  /** `services[2].backends[0].weight`; empty for the document as a whole. */
  readonly path: string
  /** What is wrong, without a full stop: `70000 is above 65535`. */
  readonly problem: string
  /** What to do, without a full stop: `write a weight from 0 to 65535`. */
  readonly remedy: string
  /** The source line and a caret below the place, two lines, for terminals. */
  readonly excerpt?: string
  /** The same text may be right a moment later: something that it names was not to be had just now. */
  readonly transient?: true
}

/** `pointsman.yaml:12:9: services[2].backends[0].weight: 70000 is above 65535; write a weight from 0 to 65535` */
export function formatIssue(issue: Issue): string {
  const place = issue.line === undefined ? issue.file : `${issue.file}:${issue.line}:${issue.column ?? 1}`
  const path = issue.path === '' ? '' : `${issue.path}: `
  return `${place}: ${path}${issue.problem}; ${issue.remedy}`
}

/** The same with the source line and a caret below it, where there is one. */
export function formatIssueWithExcerpt(issue: Issue): string {
  return issue.excerpt === undefined ? formatIssue(issue) : `${formatIssue(issue)}\n${issue.excerpt}`
}

/** How many issues of one text a log is told one by one: a list that is wrong in every entry must not drown everything else. */
export const MAX_ISSUES_TOLD = 100

/** The sentence, and that so many further problems follow. */
export function andMore(sentence: string, more: number): string {
  return more === 0 ? sentence : `${sentence} (and ${more} more ${more === 1 ? 'problem' : 'problems'})`
}

/** An error whose sentence is the first issue and how many follow; all of them are in `detail.issues`. */
export function issuesError(code: ErrorCode, issues: readonly Issue[]): PointsmanError {
  const [first] = issues
  const message = first === undefined ? 'The input is not valid.' : andMore(formatIssue(first), issues.length - 1)
  return new PointsmanError(code, message, { detail: { issues } })
}
