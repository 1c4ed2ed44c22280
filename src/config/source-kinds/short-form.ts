import { accepted, type Grammar } from '../../document/reading.ts'

/** The short form of a source: only the value of its first key is written, `file: /etc/web.yaml` for `file: { path: /etc/web.yaml }`. */
export function shortForm<Key extends string>(
  key: Key,
  grammar: Grammar<string>,
): Grammar<{ readonly [K in Key]?: string | undefined }> {
  return {
    jsonSchema: grammar.jsonSchema,
    read(raw) {
      const reading = grammar.read(raw)
      return reading.ok ? accepted({ [key]: reading.value } as { [K in Key]: string }) : reading
    },
  }
}
