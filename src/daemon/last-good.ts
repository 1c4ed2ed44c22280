import type { Configuration } from '../config/configuration.ts'
import { formatDuration } from '../document/values/duration.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { LastGoodChange, Past } from '../pipeline/desired-update.ts'
import type { KeptOrigin } from '../store/kept-file.ts'
import type { SnapshotStore } from '../store/snapshots.ts'

/** Milliseconds that a source has for its first word before its last good answer stands in for it. */
export const PATIENCE = { daemon: 2_000, oneShot: 20_000 } as const

interface NamedSource {
  readonly service: ServiceKey
  readonly source: SourceSpec
}

export interface PastOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly patience: number
  /** Told of a last good answer that is too old to be believed, and what becomes of it. */
  readonly onOld: (sentence: string) => void
}

/** The past as the state directory knows it; what is too old for its service counts for members that pass a probe, or not at all. */
export function pastOf(snapshots: SnapshotStore, { now, patience, onOld }: PastOptions): Past {
  return {
    patience,
    lastGood(service, source) {
      const snapshot = snapshots.get(serviceKey(service.identity), source)
      if (snapshot === undefined) return undefined
      const age = now() - snapshot.at
      const { snapshotMaxAge } = service.hold
      if (age <= snapshotMaxAge && snapshotMaxAge > 0) return snapshot
      const isUsed = snapshotMaxAge > 0 && service.checks.length > 0
      const use = isUsed ? 'each of its members serves only once it passes its health check' : 'it is not used'
      onOld(
        `The last good answer of ${sourceName(source)} for ${service.name} is ${inSeconds(age)} old, above snapshot_max_age (${formatDuration(snapshotMaxAge)}): ${use}, and nothing is removed from ${service.name} before the source answers.`,
      )
      return isUsed ? { ...snapshot, outdated: true } : undefined
    },
  }
}

/** Keeps what becomes known. */
export function keepIn(snapshots: SnapshotStore): (change: LastGoodChange) => void {
  return (change) => {
    const { service, source } = change
    if (change.kind === 'gone') snapshots.forget(service, source)
    else snapshots.put(service, source, change.lastGood)
  }
}

/** Every source that the configuration names. */
export function sourcesOf({ services }: Pick<Configuration, 'services'>): NamedSource[] {
  return services.flatMap(({ identity, sources }) => sources.map((source) => ({ service: serviceKey(identity), source })))
}

/** Why no last good answer is there to stand in; undefined where that is no surprise. */
export function snapshotsSentence(origin: KeptOrigin): string | undefined {
  if (origin.kind !== 'corrupt') return undefined
  const aside = origin.setAside === undefined ? '' : ` The unreadable file is now ${origin.setAside}.`
  return `The last good answers cannot be read (${origin.reason}): nothing stands in for a source that does not answer.${aside}`
}

function inSeconds(milliseconds: number): string {
  return formatDuration(Math.max(0, Math.round(milliseconds / 1_000)) * 1_000)
}
