import { bold, item, roffText, titleLine } from './roff.ts'

/** The part of JSON Schema that the published one is written in. */
export interface SchemaNode {
  readonly description?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
}

/** Keys are explained once: where the same mapping may stand again, its first place is named. */
const ORDER = ['global', 'services', 'defaults', 'catalog']

/** pointsman.yaml(5), from the published JSON Schema. */
export function manOfConfiguration(schema: SchemaNode): string {
  const properties = schema.properties ?? {}
  const names = [
    ...ORDER.filter((name) => name in properties),
    ...Object.keys(properties).filter((name) => !ORDER.includes(name)),
  ]
  const explained = new Map<string, string>()
  return `${[
    titleLine('POINTSMAN.YAML', 5),
    '.SH NAME',
    'pointsman.yaml \\- configuration of pointsman',
    '.SH DESCRIPTION',
    roffText(schema.description ?? ''),
    'One YAML file with the sections below; unknown keys are errors. Check it with',
    `${bold('pointsman validate')}; a running daemon takes a valid one over when the file changes, or on SIGHUP.`,
    ...names.flatMap((name) => {
      const node = properties[name] ?? {}
      return [`.SH ${roffText(name.toUpperCase())}`, summary(node), ...keys(node, name, explained)]
    }),
    '.SH EXAMPLE',
    '.nf',
    ...EXAMPLE.map(roffText),
    '.fi',
    '.SH FILES',
    item('\\fI/etc/pointsman/pointsman.yaml\\fR', 'Where it is looked for by default.'),
    '.SH SEE ALSO',
    `${bold('pointsman')}(1)`,
  ].join('\n')}\n`
}

/** The test of this page validates it. */
export const EXAMPLE: readonly string[] = [
  'global:',
  '  admin: 127.0.0.1:9095',
  'services:',
  '  - name: web',
  '    listen: 10.0.0.1:80',
  '    scheduler: wrr',
  '    source:',
  '      consul: { service: web, address: "http://127.0.0.1:8500" }',
  '    health_check: { type: http, http: { path: /healthz }, interval: 5s }',
]

function keys(node: SchemaNode, path: string, explained: Map<string, string>): string[] {
  return mappingsOf(node, path).flatMap(([mapping, place]) => {
    const text = JSON.stringify(mapping.properties)
    const first = explained.get(text)
    if (first !== undefined) return [`.PP\nIts keys are those of ${bold(first)}.`]
    explained.set(text, place)
    return Object.entries(mapping.properties ?? {}).flatMap(([name, value]) => {
      const nested = keys(value, `${place}.${name}`, explained)
      const required = mapping.required?.includes(name) ? ' Required.' : ''
      return [item(bold(name), `${summary(value)}${required}`), ...(nested.length > 0 ? ['.RS', ...nested, '.RE'] : [])]
    })
  })
}

/** The mappings that may stand in a place, in a list too; those that only ask for a key explain nothing. */
function mappingsOf(node: SchemaNode, path: string): [SchemaNode, string][] {
  const own = Object.values(node.properties ?? {}).some((value) => Object.keys(value).length > 0)
  return [
    ...(own ? [[node, path] as [SchemaNode, string]] : []),
    ...(node.items === undefined ? [] : mappingsOf(node.items, `${path}[]`)),
    ...[...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((part) => mappingsOf(part, path)),
  ]
}

/** What a key means, what may be written, and what holds where it is not. */
function summary(node: SchemaNode): string {
  const written = kindOf(node)
  return roffText(
    [
      node.description ?? '',
      written === '' ? '' : `Written as ${written}.`,
      node.default === undefined || node.description?.includes('by default') ? '' : `Default: ${show(node.default)}.`,
    ]
      .filter((part) => part !== '')
      .join(' '),
  )
}

function kindOf(node: SchemaNode): string {
  const alternatives = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].map(kindOf).filter((kind) => kind !== '')
  if (node.enum !== undefined) return `one of ${node.enum.map(show).join(', ')}`
  if (node.const !== undefined) return show(node.const)
  const examples = node.examples === undefined ? '' : ` such as ${node.examples.map(show).join(' or ')}`
  const types = [node.type ?? []].flat().filter((type) => type !== 'null')
  const kinds = types.map((type) => kindOfType(type, node, examples))
  return [...new Set([...kinds, ...alternatives])].join(', or ')
}

function kindOfType(type: string, node: SchemaNode, examples: string): string {
  switch (type) {
    case 'object':
      return 'a mapping'
    case 'array':
      return 'a list'
    case 'boolean':
      return 'true or false'
    case 'integer':
    case 'number':
      return node.minimum === undefined || node.maximum === undefined
        ? `a number${examples}`
        : `a number from ${node.minimum} to ${node.maximum}`
    default:
      return `text${examples}`
  }
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
