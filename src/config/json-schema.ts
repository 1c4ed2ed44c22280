import { jsonSchemaOf, mapping, section } from '../document/schema.ts'
import { catalogSchema } from './catalog-schema.ts'
import { globalSchema } from './global-schema.ts'
import { includeSchema, parametersSchema } from './include/include-schema.ts'
import { defaultsSchema, having, publishedServiceSchema } from './service-schema.ts'
import { listOf } from './shared-schema.ts'

/** The whole configuration as editors and other programs see it. */
const configurationSchema = mapping(
  {
    include: includeSchema.optional(),
    parameters: section(parametersSchema).optional(),
    global: section(globalSchema).optional(),
    defaults: section(defaultsSchema).optional(),
    services: listOf(publishedServiceSchema, 'The virtual services; [] for none.').optional(),
    catalog: listOf(
      catalogSchema,
      'Registries whose services become virtual services by what they say of themselves, as far as allow permits.',
    ).optional(),
  },
  'Configuration of Pointsman: virtual services of the Linux kernel (IPVS) and where their backends come from.',
  { anyOf: ['services', 'include', 'catalog'].map(having) },
)

const PARAMETERS = 'parameters'

/** What is said of a key and not of its value. */
const OF_THE_KEY = ['description', 'default', 'examples'] as const

/** Wherever something else than any text or a mapping is due, a text with parameters may stand, which is resolved before it is checked. */
function withParameters(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withParameters)
  if (typeof node !== 'object' || node === null) return node
  const schema = node as Readonly<Record<string, unknown>>
  if (!isScalar(schema))
    return Object.fromEntries(
      Object.entries(schema).map(([key, value]) => [key, DATA.includes(key) ? value : withParameters(value)]),
    )
  const own = Object.fromEntries(Object.entries(schema).filter(([key]) => OF_THE_KEY.includes(key as never)))
  const rest = Object.fromEntries(Object.entries(schema).filter(([key]) => !OF_THE_KEY.includes(key as never)))
  return { ...own, anyOf: [rest, { $ref: `#/$defs/${PARAMETERS}` }] }
}

/** Keywords behind which there are no schemas. */
const DATA: readonly string[] = ['required', 'enum', 'const', 'examples', 'default', 'description', 'type']

/** Texts of which only the length counts take parameters as they are. */
function isScalar({ type, pattern, enum: words, const: word }: Readonly<Record<string, unknown>>): boolean {
  if (type === 'string') return pattern !== undefined || words !== undefined || word !== undefined
  return type === 'integer' || type === 'number' || type === 'boolean'
}

/** The JSON Schema of what is written once everything is in place of the parameters. */
export function configurationJsonSchema(): Record<string, unknown> {
  return jsonSchemaOf(configurationSchema)
}

/**
 * The published JSON Schema, as text. It knows keys, types and ranges; what depends on several keys together (ports of
 * direct routing, flags of another scheduler, duplicates) only the program itself checks.
 */
export function publishedJsonSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Pointsman configuration',
    ...(withParameters(configurationJsonSchema()) as object),
    $defs: { [PARAMETERS]: { type: 'string', pattern: '\\$\\{', description: 'A text with parameters.' } },
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}
