/** A mapping as a configuration would write it. */
export type Written = Record<string, unknown>

/** Keys of `defaults` for tools that believe every failure of a check, and send clients to nobody when all backends fail. */
export const BELIEVES_ALL: Written = { max_ejection: '100%', panic: 'off' }

/** Where something stands in what was imported; the live table has no lines. */
export interface Place {
  readonly file: string
  /** Counted from 1. */
  readonly line?: number
}

/** A directive of the other tool that has no counterpart in what was written, or only in part. */
export interface LeftOut extends Place {
  /** As it is written there, without secrets: `nat_mask 255.255.255.0`. */
  readonly directive: string
  /** Why, without a full stop. */
  readonly reason: string
  /** What to do, without a full stop. */
  readonly remedy: string
}

export interface ImportedBackend {
  readonly place: Place
  /** `address` and whatever else the backend says. */
  readonly written: Written
  /** What the reader must look at; comments in the result. */
  readonly notes: readonly string[]
}

export interface ImportedService {
  readonly place: Place
  /** Its keys without `backends`. */
  readonly written: Written
  readonly backends: readonly ImportedBackend[]
  readonly notes: readonly string[]
}

/** What an importer makes of a file. */
export interface Imported {
  /** What the reader must know of the whole; the first comment of the result. */
  readonly head: readonly string[]
  /** Documents whose entries the parameters in texts are. */
  readonly parameters?: Written
  readonly global: Written
  readonly defaults: Written
  /** Where what is in `global` and `defaults` was written, by its path: `global.ipvs.tcp_timeout`. */
  readonly places?: ReadonlyMap<string, Place>
  readonly services: readonly ImportedService[]
  readonly leftOut: readonly LeftOut[]
}

/** One line for people: `/etc/keepalived/keepalived.conf:12: omega: why; what to do`. */
export function formatLeftOut({ file, line, directive, reason, remedy }: LeftOut): string {
  const place = line === undefined ? file : `${file}:${line}`
  return `${place}: ${directive}: ${reason}; ${remedy}`
}

/** In the order of the text; files in the order in which they appear first. */
export function inOrder(leftOut: readonly LeftOut[]): LeftOut[] {
  const files = [...new Set(leftOut.map(({ file }) => file))]
  return leftOut.toSorted((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || (a.line ?? 0) - (b.line ?? 0))
}

/** The mapping without keys that hold undefined. */
export function present(written: Written): Written {
  return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined))
}

/**
 * The same where `${` in a text stands for itself: other tools mean a shell or a regular expression by it, and a configuration would
 * take it for a parameter.
 */
export function literally(imported: Imported): Imported {
  const { global, defaults, services } = imported
  return {
    ...imported,
    global: escaped(global),
    defaults: escaped(defaults),
    services: services.map((service) => ({
      ...service,
      written: escaped(service.written),
      backends: service.backends.map((backend) => ({ ...backend, written: escaped(backend.written) })),
    })),
  }
}

function escaped<T>(value: T): T {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${') as T
  if (Array.isArray(value)) return value.map(escaped) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, escaped(inner)])) as T
}
