import type { Announcement } from '../../model/catalog-event.ts'
import type { CatalogService, CatalogSpec, Words } from '../../model/catalog-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { SourceFailure } from '../../model/source-event.ts'
import type { ServiceIdentity, ServiceKey } from '../../model/virtual-service.ts'

/** The virtual service that a claim stands for, or one sentence that says what is wrong with it. */
export type ReadClaim = (
  catalog: CatalogSpec,
  claimant: CatalogService,
  words: Words,
) =>
  | { readonly ok: true; readonly spec: ServiceSpec; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problem: string }

/** A claim as the next process should know it. */
export interface PastClaim extends CatalogService {
  readonly words: Words
  /** Milliseconds since the epoch at which the claimant first held something. */
  readonly since: number
  /** Milliseconds since the epoch of the first trusted answer without an instance, while there is none. */
  readonly goneSince?: number
}

/** What an earlier process left. */
export interface ClaimsPast {
  readonly claims: readonly PastClaim[]
  /** The services that it made. */
  readonly owned: readonly ServiceIdentity[]
}

/** What a claimant holds: the last good definition. */
export interface Claim {
  readonly words: Words
  /** That of `spec`. */
  readonly key: ServiceKey
  readonly spec: ServiceSpec
  readonly warnings: readonly string[]
  readonly since: number
  readonly goneSince?: number
}

/** A service of a registry that may claim something, or that holds something. */
export interface Claimant {
  readonly id: string
  readonly who: CatalogService
  /** The last usable word; absent while there was none. */
  readonly said?: Announcement | { readonly kind: 'unbelieved' }
  /** Why nothing was heard of it, in place of an answer. */
  readonly failure?: SourceFailure
  readonly claim?: Claim
  /** Why what it says now is not what it holds. */
  readonly refusal?: string
}
