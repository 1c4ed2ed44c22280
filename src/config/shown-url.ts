import type { Document, Path } from '../document/document.ts'
import type { SourceSpec } from '../model/source-spec.ts'

/**
 * An http source whose url holds values from outside of the configuration is called by what is written there: names of sources
 * appear in logs, metrics and the state directory.
 */
export function withShownUrl(spec: SourceSpec, document: Document, path: Path): SourceSpec {
  if (spec.kind !== 'http') return spec
  const veiled = document.veiled?.([...path, 'http', 'url']) ?? []
  const own = veiled.find(({ path: at }) => at.length > path.length)
  return own === undefined ? spec : { ...spec, shown: own.written }
}
