import { isDeepStrictEqual } from 'node:util'
import { type CatalogService, catalogServiceId } from '../model/catalog-spec.ts'
import { type ClaimsContent, claimLine, claimsHeader, parseClaims, type StoredClaim } from './claims-file.ts'
import { GatheredWrites } from './gathered-writes.ts'
import { type KeptFile, type KeptForm, type KeptOptions, type KeptOrigin, keptUnwritable, openKept } from './kept-file.ts'
import type { LineFile } from './line-file.ts'
import { nameIn, type Place } from './place.ts'
import { Unwritten } from './unwritten.ts'

export type { StoredClaim } from './claims-file.ts'

const STEM = 'claims'

/** Name of the file in the state directory: each network namespace has a table, and claims, of its own. */
export function claimsFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, STEM, 'json')
}

/** Milliseconds: what becomes known is gathered for so long, then written with one fsync. */
const GATHER = 100

/** Which services of the registries hold which virtual services, durably but not at once: a crash costs the last moment. */
export interface ClaimsStore extends AsyncDisposable {
  readonly origin: KeptOrigin
  readonly path: string
  readonly claims: readonly StoredClaim[]
  put(claim: StoredClaim): void
  forget(who: CatalogService): void
  /** Writes what waits; never rejects. */
  flush(): Promise<void>
}

const FORM: KeptForm<Extract<ClaimsContent, { kind: 'claims' }>> = {
  stem: STEM,
  what: 'The claims',
  without: 'no service of a catalog is known before its registry answers',
  afterRestart: 'services of catalogs would be unknown until their registry answers',
  parse: parseClaims,
}

/** Opens the claims of a state directory, as `openKept` does. With access `read` what is put is not kept. */
export async function openClaims(options: KeptOptions): Promise<ClaimsStore> {
  return new Claims(await openKept(FORM, options), options)
}

class Claims implements ClaimsStore {
  readonly origin: KeptOrigin
  readonly #file: LineFile
  readonly #options: KeptOptions
  readonly #claims: Map<string, StoredClaim>
  readonly #unwritten = new Unwritten<CatalogService>()
  readonly #writes: GatheredWrites

  constructor({ file, origin, content }: KeptFile<{ readonly claims: ReadonlyMap<string, StoredClaim> }>, options: KeptOptions) {
    this.#file = file
    this.#options = options
    this.origin = origin
    this.#claims = new Map(content?.claims)
    this.#writes = new GatheredWrites(
      GATHER,
      () => this.#unwritten.write((taken) => this.#write(taken)),
      (cause) => options.onFailure?.(keptUnwritable(FORM, this.path, cause)),
    )
  }

  get path(): string {
    return this.#file.path
  }

  get claims(): readonly StoredClaim[] {
    return [...this.#claims.values()]
  }

  put(claim: StoredClaim): void {
    const id = catalogServiceId(claim)
    if (isDeepStrictEqual(this.#claims.get(id), claim)) return
    this.#claims.set(id, claim)
    this.#wait(id, claim)
  }

  forget(who: CatalogService): void {
    const id = catalogServiceId(who)
    if (this.#claims.delete(id)) this.#wait(id, who)
  }

  flush(): Promise<void> {
    return this.#writes.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writes.close()
  }

  #wait(id: string, { catalog, namespace, service }: CatalogService): void {
    if (this.#options.access === 'read') return
    this.#unwritten.add(id, { catalog, ...(namespace !== undefined && { namespace }), service })
    this.#writes.soon()
  }

  #write(taken: readonly (readonly [string, CatalogService])[]): Promise<void> {
    const lines = taken.map(([id, who]) => this.#lineOf(id, who))
    return this.#file.write(lines, () => this.#whole())
  }

  #lineOf(id: string, who: CatalogService): string {
    const claim = this.#claims.get(id)
    return claimLine(claim === undefined ? { do: 'release', who } : { do: 'hold', claim })
  }

  *#whole(): Generator<string> {
    yield claimsHeader()
    for (const claim of this.#claims.values()) yield claimLine({ do: 'hold', claim })
  }
}
