import type { SourceStatus } from '../pipeline/desired-update.ts'

/** Why the picture of a service is not whole, and what that means. */
export function unansweredText({ name, source, state, expired, answeredAt, partial, failure }: SourceStatus): string {
  if (partial) return `source ${source} of ${name} answers with what may lack backends; nothing is removed from ${name}.`
  const why = failure === undefined ? 'has not answered in time' : `does not answer: ${failure.message.replace(/\.$/, '')}`
  return `source ${source} of ${name} ${why}; ${meaning()}`

  function meaning(): string {
    if (expired) return 'it has been away for max_age, so its backends drain.'
    if (state !== 'stale' || answeredAt === undefined) return `nothing is removed from ${name}.`
    return `its last good answer, of ${new Date(answeredAt).toISOString()}, stands in for it.`
  }
}
