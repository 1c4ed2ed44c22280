import * as z from 'zod'

/** An instance as `GET /v1/health/service/:service` lists it, as far as it is used. */
const entrySchema = z.object({
  Node: z.object({
    Node: z.string().min(1),
    Address: z.string().default(''),
    TaggedAddresses: z.record(z.string(), z.string()).nullish(),
  }),
  Service: z.object({
    ID: z.string().min(1),
    Address: z.string().default(''),
    Port: z.int().min(0).max(65535).default(0),
    Tags: z.array(z.string()).nullish(),
    Meta: z.record(z.string(), z.string()).nullish(),
    ModifyIndex: z.number().optional(),
    /** Looked at one by one: a bad weight is no reason to lose the instance. */
    Weights: z.record(z.string(), z.unknown()).nullish(),
    TaggedAddresses: z.record(z.string(), z.object({ Address: z.string(), Port: z.int().min(0).max(65535) })).nullish(),
  }),
  Checks: z.array(z.object({ CheckID: z.string(), Status: z.enum(['passing', 'warning', 'critical']) })).nullish(),
})

export type HealthEntry = z.output<typeof entrySchema>

/** An entry, or what is wrong with it. `id` is absent only where not even that can be read. */
export type ReadEntry =
  | { readonly ok: true; readonly id: string; readonly entry: HealthEntry }
  | { readonly ok: false; readonly id?: string; readonly problem: string }

/** Entries above which an answer is none: reading them would hold everything else for seconds. */
const MOST = 100_000

/** Entries without node and id above which it is no list of instances. */
const MOST_NAMELESS = 100

/**
 * Undefined when the answer is not a list of instances. Entries are read one by one, and in the order of their ids, which is not the
 * agent's.
 */
export function readHealthEntries(json: unknown): readonly ReadEntry[] | undefined {
  if (!Array.isArray(json) || json.length > MOST) return undefined
  const entries: ReadEntry[] = []
  let nameless = 0
  for (const raw of json) {
    const read = readEntry(raw)
    if (read.id === undefined && ++nameless > MOST_NAMELESS) return undefined
    entries.push(read)
  }
  return entries.sort((a, b) => compare(a.id ?? '', b.id ?? ''))
}

/** Node and id of an instance: unique in a datacenter, and the same whatever its address. */
export function instanceId(node: string, id: string): string {
  return `${node}/${id}`
}

const idsSchema = z.object({ Node: z.object({ Node: z.string().min(1) }), Service: z.object({ ID: z.string().min(1) }) })

function readEntry(raw: unknown): ReadEntry {
  const read = entrySchema.safeParse(raw)
  if (read.success) return { ok: true, id: instanceId(read.data.Node.Node, read.data.Service.ID), entry: read.data }
  const ids = idsSchema.safeParse(raw)
  const [issue] = read.error.issues
  const problem = `${issue?.path.join('.') ?? 'the entry'} is not as Consul writes it (${issue?.message ?? 'unreadable'})`
  return { ok: false, problem, ...(ids.success && { id: instanceId(ids.data.Node.Node, ids.data.Service.ID) }) }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
