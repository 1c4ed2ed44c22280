import { jsonSchemaOf, mapping, section } from '../document/schema.ts'
import { catalogSchema } from './catalog-schema.ts'
import { globalSchema } from './global-schema.ts'
import { defaultsSchema, publishedServiceSchema } from './service-schema.ts'
import { listOf } from './shared-schema.ts'

/** The whole configuration as editors and other programs see it. */
const configurationSchema = mapping(
  {
    global: section(globalSchema).optional(),
    defaults: section(defaultsSchema).optional(),
    services: listOf(publishedServiceSchema, 'The virtual services; [] for none.').optional(),
    catalog: listOf(
      catalogSchema,
      'Registries whose services become virtual services by what they say of themselves, as far as allow permits.',
    ).optional(),
  },
  'Configuration of Pointsman: virtual services of the Linux kernel (IPVS) and where their backends come from.',
  { required: ['services'] },
)

/**
 * The published JSON Schema, as text. It knows keys, types and ranges; what depends on several keys together (ports of
 * direct routing, flags of another scheduler, duplicates) only the program itself checks.
 */
export function publishedJsonSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Pointsman configuration',
    ...jsonSchemaOf(configurationSchema),
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}
