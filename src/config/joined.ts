import { type Document, type Path, type Veiled, veiledAt } from '../document/document.ts'

/** One file of a configuration, with everything in place of its parameters. */
export interface ResolvedFile {
  readonly document: Document
  readonly value: Readonly<Record<string, unknown>>
  readonly veiled: readonly Veiled[]
}

/** Top keys whose lists the files of a configuration put together. */
const JOINED = ['services', 'catalog'] as const

/**
 * The main file and those that it includes as one document: their services and catalogs are one list each, and every place in
 * it is that of the file in which it is written.
 */
export function joinDocuments(files: readonly [ResolvedFile, ...ResolvedFile[]]): Document {
  const [main] = files
  const value: Record<string, unknown> = { ...main.value }
  const origins = new Map<string, readonly { readonly file: ResolvedFile; readonly index: number }[]>()
  for (const key of JOINED) {
    const entries = files.flatMap((file) => listAt(file, key).map((entry, index) => ({ entry, file, index })))
    if (entries.length === 0) continue
    origins.set(key, entries)
    value[key] = entries.map(({ entry }) => entry)
  }
  const originOf = (path: Path): { readonly file: ResolvedFile; readonly path: Path } => {
    const [key, index, ...rest] = path
    const found = origins.get(String(key))?.[Number(index)]
    return found === undefined ? { file: main, path } : { file: found.file, path: [key as string, found.index, ...rest] }
  }
  return {
    file: main.document.file,
    value,
    locate(path, spot) {
      const { file, path: at } = originOf(path)
      return file.document.locate(at, spot)
    },
    lineText: main.document.lineText,
    origin(path) {
      const { file, path: at } = originOf(path)
      return { document: file.document, path: at }
    },
    veiled(path) {
      const { file, path: at } = originOf(path)
      return veiledAt(file.veiled, at)
    },
  }
}

function listAt({ value }: ResolvedFile, key: string): readonly unknown[] {
  const list = value[key]
  return Array.isArray(list) ? (list as unknown[]) : []
}
