import { formatIssueWithExcerpt, type Issue } from '../document/issue.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { say } from './terminal.ts'

/**
 * Tells a person what went wrong, one sentence or one for each problem of a file, and gives the exit code of the
 * catalogue. Programs that asked for JSON get the same on standard output.
 */
export function failed(error: unknown, json: boolean): number {
  const known = error instanceof PointsmanError ? error : unexpected(error)
  const issues = issuesOf(known)
  if (issues.length === 0) say(`pointsman: ${known.message}`)
  for (const issue of issues) say(formatIssueWithExcerpt(issue))
  if (json) process.stdout.write(`${JSON.stringify(errorJson(known))}\n`)
  if (known.code === 'INTERNAL' && process.env['POINTSMAN_DEBUG'])
    say(String(known.cause instanceof Error ? known.cause.stack : ''))
  return known.exitCode
}

/** The form in which every command reports a failure to programs. */
export function errorJson(error: PointsmanError): { error: Record<string, unknown> } {
  const issues = issuesOf(error)
  return {
    error: { code: error.code, message: error.message, exit: error.exitCode, ...(issues.length > 0 && { issues }) },
  }
}

/** The problems of a file that an error carries; none for other errors. */
export function issuesOf(error: PointsmanError): readonly Issue[] {
  const issues = error.detail['issues']
  return Array.isArray(issues) ? (issues as Issue[]) : []
}

function unexpected(error: unknown): PointsmanError {
  const what = error instanceof Error ? error.message : String(error)
  return new PointsmanError(
    'INTERNAL',
    `Unexpected: ${what}; this is a defect, POINTSMAN_DEBUG=1 shows where (exit ${EXIT.internal}).`,
    {
      cause: error,
    },
  )
}
