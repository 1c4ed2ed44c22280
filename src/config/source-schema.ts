import { accepted, type Reading, refused } from '../document/reading.ts'
import { derived, mapping } from '../document/schema.ts'
import type { SourceSpec } from '../model/source-spec.ts'
import { consulKind } from './source-kinds/consul.ts'
import { dnsKind, dnsSrvKind } from './source-kinds/dns.ts'
import { fileKind } from './source-kinds/file.ts'
import { httpKind } from './source-kinds/http.ts'
import type { SourceKind } from './source-kinds/source-kind.ts'

/** A source as written; `toSpec` fills in defaults and makes paths absolute. */
export interface WrittenSource {
  toSpec(directory: string): Reading<SourceSpec>
}

/** Every kind by its key. A new one is a file in `source-kinds/` and a line here. */
const KINDS = {
  consul: consulKind,
  dns: dnsKind,
  dns_srv: dnsSrvKind,
  file: fileKind,
  http: httpKind,
} as const

const sourceKeys = mapping(
  {
    file: KINDS.file.schema.optional(),
    consul: KINDS.consul.schema.optional(),
    dns: KINDS.dns.schema.optional(),
    dns_srv: KINDS.dns_srv.schema.optional(),
    http: KINDS.http.schema.optional(),
  },
  'Where the backends come from; exactly one kind.',
)

/** Exactly one kind of source. */
export const sourceSchema = derived(sourceKeys, (keys): Reading<WrittenSource> => {
  const [first, second] = Object.keys(KINDS).filter((kind) => keys[kind as keyof typeof KINDS] !== undefined)
  if (first === undefined) return refused('the source names no kind', `write ${KINDS.file.example}`)
  if (second !== undefined)
    return refused(`the source is of two kinds, ${first} and ${second}`, 'write sources: with a list of both')
  const kind: SourceKind = KINDS[first as keyof typeof KINDS]
  return accepted({ toSpec: (directory) => kind.toSpec(keys[first as keyof typeof KINDS], directory) })
})
