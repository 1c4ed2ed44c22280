import { instancesOf, readClaim } from '../config/claimed-service.ts'
import type { Configuration } from '../config/configuration.ts'
import { catalogServiceName } from '../model/catalog-spec.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import type { ClaimChange, Standing } from '../pipeline/claims/changes.ts'
import type { ClaimsPast, PastClaim } from '../pipeline/claims/claim.ts'
import { claimsStep } from '../pipeline/claims/claims.ts'
import { NO_CLAIMS } from '../pipeline/claims/state.ts'
import type { ClaimsOptions, OpenCatalog } from '../pipeline/claims/wire.ts'
import type { WantedServices } from '../pipeline/desired-update.ts'
import type { OpenRegistries } from '../sources/registry.ts'
import type { ClaimsStore } from '../store/claims.ts'
import type { KeptOrigin } from '../store/kept-file.ts'
import type { OwnershipRecord } from '../store/ownership.ts'

/** Catalogs over the connections that all sources share. */
export function openCatalogWith({ names, announcements }: Pick<OpenRegistries, 'names' | 'announcements'>): OpenCatalog {
  return {
    names: ({ catalog, namespace }) => names({ ...catalog.instances, ...(namespace !== undefined && { namespace }) }),
    announcements: (catalog, who) => announcements(instancesOf(catalog, who), catalog.prefix),
  }
}

/** What an earlier process granted, and what it made. */
export function claimsPast({ claims }: Pick<ClaimsStore, 'claims'>, record: OwnershipRecord): ClaimsPast {
  const owned: ServiceIdentity[] = [...record.services.values()].map(({ identity }) => identity)
  return { claims, owned }
}

/** The services that are wanted before any registry has answered. */
export function wantedBefore(configuration: Configuration, past: ClaimsPast, now: number): WantedServices {
  const { emit } = claimsStep(readClaim)(NO_CLAIMS, { kind: 'configured', configured: configuration, past }, now)
  return emit?.wanted ?? configuration
}

/** Keeps what is granted. */
export function keepClaimsIn(store: ClaimsStore): (change: ClaimChange) => void {
  return ({ before, after }) => {
    if (after?.claim !== undefined) store.put(storedOf(after, after.claim))
    else if (before?.claim !== undefined) store.forget(before.who)
  }
}

function storedOf({ who }: Standing, { words, since, goneSince }: NonNullable<Standing['claim']>): PastClaim {
  return { ...who, words, since, ...(goneSince !== undefined && { goneSince }) }
}

/** `service web of consul` */
export function claimantName({ who }: Standing): string {
  return `service ${catalogServiceName(who)} of ${who.catalog}`
}

/** Why nothing is known of what services of registries held; undefined where that is no surprise. */
export function claimsSentence(origin: KeptOrigin): string | undefined {
  if (origin.kind !== 'corrupt') return undefined
  const aside = origin.setAside === undefined ? '' : ` The unreadable file is now ${origin.setAside}.`
  return `What services of catalogs held cannot be read (${origin.reason}): they are known again when their registries answer, and until then what they made is left alone.${aside}`
}

/** What a command that looks once has to say of claims: who is refused, and which registries do not answer. */
export class ClaimNotes {
  readonly #refusals = new Map<string, string>()
  readonly #failures = new Map<string, string>()
  readonly #keep: ((change: ClaimChange) => void) | undefined

  constructor(keep?: (change: ClaimChange) => void) {
    this.#keep = keep
  }

  get options(): Required<Pick<ClaimsOptions, 'onChange' | 'onScopes'>> {
    return {
      onChange: (change) => {
        this.#keep?.(change)
        const { before, after } = change
        if (before !== undefined) this.#refusals.delete(claimantName(before))
        if (after?.refusal !== undefined) this.#refusals.set(claimantName(after), after.refusal)
      },
      onScopes: (scopes) => {
        for (const [id, { failure }] of scopes) {
          if (failure === undefined) this.#failures.delete(id)
          else this.#failures.set(id, failure.message)
        }
      },
    }
  }

  notes(): string[] {
    const failures = [...this.#failures.values()].map(
      (why) => `A catalog does not answer: ${why}; what its services held before stays in force.`,
    )
    return [...failures, ...[...this.#refusals].map(([who, why]) => `The ${who} is refused: ${why}.`)]
  }
}
