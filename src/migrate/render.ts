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
  const list = new YAMLSeq()
  for (const service of services) list.add(renderService(yaml, service))
  if (list.items.length === 0) list.flow = true
  top.set('services', list)
  return yaml.toString({ lineWidth: 0, flowCollectionPadding: true })
}

function renderService(yaml: Document<Node, true>, { written, backends, notes }: ImportedService): YAMLMap {
  const node = block(yaml, written)
  if (notes.length > 0) node.commentBefore = comment(notes)
  const list = new YAMLSeq()
  for (const backend of backends) list.add(renderBackend(yaml, backend))
  if (list.items.length === 0) list.flow = true
  node.set('backends', list)
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
  for (const [key, value] of Object.entries(written)) {
    if (!isListOfMappings(value)) node.set(key, yaml.createNode(value, { flow: true }))
    else {
      const list = new YAMLSeq()
      for (const one of value) list.add(yaml.createNode(one, { flow: true }))
      node.set(key, list)
    }
  }
  return node
}

function isListOfMappings(value: unknown): value is readonly Written[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'object' && one !== null)
}

function comment(lines: readonly string[]): string {
  return lines.map((line) => ` ${line.replaceAll(/\p{Cc}/gu, '?')}`).join('\n')
}
