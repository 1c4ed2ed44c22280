/** How the services of one agent share the connections to it: the questions that these carry at a time. Pure. */

export interface WatchPlan {
  /** Services with a blocking query of their own. */
  readonly direct: number
  /** Scopes of the others whose triggers may block; those beyond are polled. */
  readonly triggered: number
  /** Questions that do not wait, at once, for all others together. */
  readonly readers: number
}

/** Questions of one scope: four blocking queries that tell when its shared services may have changed, and a list that tells which. */
export const TRIGGERS = 5

const MOST_READERS = 8

/**
 * Every service has a blocking query of its own while there are no more services than questions at a time. Beyond that the first ones
 * keep theirs, and the others share the triggers of their scope and a few readers.
 */
export function planWatches({ services, scopes, questions }: { services: number; scopes: number; questions: number }): WatchPlan {
  if (services <= questions) return { direct: services, triggered: 0, readers: 0 }
  const readers = Math.min(MOST_READERS, Math.max(1, Math.floor(questions / 4)))
  const triggered = Math.min(scopes, Math.floor((questions - readers) / TRIGGERS))
  return { direct: questions - readers - triggered * TRIGGERS, triggered, readers }
}

/**
 * Connections that may be used at once: what the services are configured with, and never more than four fifths of what the agent
 * takes from one address, because other programs on this host ask it too.
 */
export function usableConnections(maxWatches: number, agentLimit: number): number {
  if (agentLimit === 0) return maxWatches
  return Math.max(TRIGGERS + 1, Math.min(maxWatches, Math.floor(agentLimit * 0.8)))
}
