import { urlWithoutSecrets } from '../model/http-source-spec.ts'
import type { CheckSpec } from '../model/probe-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceSpec } from '../model/source-spec.ts'

type Hide = (secret: string) => string

/** What of a source must not be written down. Its name stays what it is. */
const SOURCES: { readonly [Kind in SourceSpec['kind']]: (spec: SourceSpec & { readonly kind: Kind }, hide: Hide) => SourceSpec } =
  {
    consul: (spec, hide) => (spec.token === undefined ? spec : { ...spec, token: hide(spec.token) }),
    dns: (spec) => spec,
    dns_srv: (spec) => spec,
    file: (spec) => spec,
    http: (spec, hide) => {
      if (spec.shown !== undefined) return { ...spec, url: hide(spec.url) }
      const shown = urlWithoutSecrets(spec.url)
      return shown === spec.url ? spec : { ...spec, url: shown.replaceAll('=***', () => `=${hide(spec.url)}`) }
    },
  }

/**
 * Puts numbers in place of secrets: `***1`. Equal ones have equal numbers, so that a change is still a change. What a probe asks
 * is no more than a number as a whole: headers, bodies and arguments may hold anything.
 */
export class JournalSecrets {
  readonly #numbers = new Map<string, number>()

  withoutSecrets(spec: ServiceSpec): ServiceSpec {
    const { sources, checks } = spec
    return { ...spec, sources: sources.map((source) => this.#source(source)), checks: checks.map((check) => this.#check(check)) }
  }

  #source(spec: SourceSpec): SourceSpec {
    // The kind says which specs the function takes; TypeScript does not follow that through a table.
    const shown = SOURCES[spec.kind] as (spec: SourceSpec, hide: Hide) => SourceSpec
    return shown(spec, (secret) => this.#hide(secret))
  }

  #check(check: CheckSpec): CheckSpec {
    const { kind } = check.probe
    const asks = this.#hide(JSON.stringify(check.probe))
    return { ...check, probe: { kind, asks } as unknown as CheckSpec['probe'] }
  }

  #hide(secret: string): string {
    const number = this.#numbers.get(secret) ?? this.#numbers.size + 1
    this.#numbers.set(secret, number)
    return `***${number}`
  }
}
