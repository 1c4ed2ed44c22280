import { writeFileSync } from 'node:fs'
import { publishedEndpointListSchema } from '../document/endpoint-list-schema.ts'
import { publishedJsonSchema } from './json-schema.ts'

/** Writes the published schemas anew; run it after a change of the schemas. */
writeFileSync(new URL('../../config/pointsman.schema.json', import.meta.url), publishedJsonSchema())
writeFileSync(new URL('../../config/endpoint-list.schema.json', import.meta.url), publishedEndpointListSchema())
