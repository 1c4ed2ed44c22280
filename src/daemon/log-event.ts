import type { Logger } from '../log.ts'
import type { StateEvent } from '../model/state-event.ts'

/** One line for something that turned, with its cause and the chain of reasons. */
export function logEvent(logger: Logger, event: StateEvent): void {
  const { grave, ...fields } = event
  logger[grave ? 'warn' : 'info'](fields, eventText(event))
}

/** `web 10.0.1.1:80: health up -> down (probe: connection refused)` */
export function eventText({ kind, service, backend, from, to, cause, reasons }: StateEvent): string {
  const object = backend === undefined ? service : `${service} ${backend}`
  const why = reasons.length === 0 ? cause : `${cause}: ${reasons.join(', because ')}`
  return `${object}: ${kind} ${from} -> ${to} (${why})`
}
