import { Document, isMap, isScalar, type Node, YAMLMap, YAMLSeq } from 'yaml'
import type { Imported, ImportedBackend, ImportedService, Written } from './imported.ts'

/** What was imported as a configuration in YAML. What the reader must look at stands as a comment above what it is about. */
export function renderImported({ head, global, defaults, parameters, services }: Imported): string {
  const yaml = new Document<Node, true>(new YAMLMap())
  yaml.commentBefore = comment(head)
  const top = yaml.contents as unknown as YAMLMap
  if (parameters !== undefined) top.set('parameters', block(yaml, parameters))
  if (Object.keys(global).length > 0) top.set('global', block(yaml, global))
  if (Object.keys(defaults).length > 0) top.set('defaults', block(yaml, defaults))
  top.set('services', listOf(services.map((service) => renderService(yaml, service))))
  return yaml.toString({ lineWidth: 0, flowCollectionPadding: true })
}

function renderService(yaml: Document<Node, true>, { written, backends, notes }: ImportedService): YAMLMap {
  const node = block(yaml, written)
  if (notes.length > 0) node.commentBefore = comment(notes)
  node.set('backends', listOf(backends.map((backend) => renderBackend(yaml, backend))))
  return node
}

function renderBackend(yaml: Document<Node, true>, { written, notes }: ImportedBackend): Node {
  const alone = Object.keys(written).length === 1
  const node = yaml.createNode(alone ? written['address'] : written, { flow: true }) as Node
  if (notes.length > 0 && (isMap(node) || isScalar(node))) node.commentBefore = comment(notes)
  return node
}

/** One line for each key, and one for each entry of a list of mappings. */
function block(yaml: Document<Node, true>, written: Written): YAMLMap {
  const node = new YAMLMap()
  const inOneLine = (value: unknown): Node => yaml.createNode(value, { flow: true }) as Node
  for (const [key, value] of Object.entries(written))
    node.set(key, isListOfMappings(value) ? listOf(value.map(inOneLine)) : inOneLine(value))
  return node
}

/** One line for each entry; `[]` where there are none. */
function listOf(entries: readonly Node[]): YAMLSeq {
  const list = new YAMLSeq()
  for (const entry of entries) list.add(entry)
  if (entries.length === 0) list.flow = true
  return list
}

function isListOfMappings(value: unknown): value is readonly Written[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'object' && one !== null)
}

function comment(lines: readonly string[]): string {
  return lines.map((line) => ` ${line.replaceAll(/\p{Cc}/gu, '?')}`).join('\n')
}
