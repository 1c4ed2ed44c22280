import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Takes what docs/openapi.json says that `/api/v1/status` answers. */
export function reportValidator(): z.ZodType {
  const { components } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as {
    readonly components: { readonly schemas: Readonly<Record<string, object>> }
  }
  const $defs = JSON.parse(JSON.stringify(components.schemas).replaceAll('#/components/schemas/', '#/$defs/'))
  return z.fromJSONSchema({ ...$defs.Report, $defs })
}
