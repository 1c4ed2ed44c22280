import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Takes what docs/openapi.json says that `/api/v1/status` answers, and no field that it does not name: the document must name all of this version. */
export function reportValidator(): z.ZodType {
  const { components } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as {
    readonly components: { readonly schemas: Readonly<Record<string, object>> }
  }
  const $defs = JSON.parse(JSON.stringify(components.schemas).replaceAll('#/components/schemas/', '#/$defs/'), closed)
  return z.fromJSONSchema({ ...$defs.Report, $defs })
}

function closed(_: string, node: unknown): unknown {
  return isObjectSchema(node) ? { additionalProperties: false, ...node } : node
}

function isObjectSchema(node: unknown): node is object {
  return typeof node === 'object' && node !== null && 'properties' in node && 'type' in node && node.type === 'object'
}
