import type { Logger } from '../log.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'

/** One line per transition, with the chain of reasons that led to it. Drift is a warning: somebody else wrote. */
export function logTransition(logger: Logger, transition: Transition): void {
  const { service, name, destination, from, to, cause, reasons } = transition
  const detail = {
    service: name,
    vip: service,
    ...(destination !== undefined && { backend: destination }),
    from,
    to,
    cause,
    reasons,
  }
  logger[cause === 'drift' ? 'warn' : 'info'](detail, transitionText(transition))
}

/** `web 10.0.1.1:8080: weight 5 -> draining (configuration: no longer in the configuration)` */
export function transitionText({ name, destination, from, to, cause, reasons }: Transition): string {
  const object = destination === undefined ? name : `${name} ${destination}`
  const why = reasons.length === 0 ? cause : `${cause}: ${reasons.join(', because ')}`
  return `${object}: ${from} -> ${to} (${why})`
}
