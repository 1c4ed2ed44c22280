import { type LineCounter, visit, type Document as YamlDocument } from 'yaml'

/** The lines that begin within the brackets of a list or mapping, also of one that is not closed; counted from 1. */
export function linesWithinBrackets(yaml: YamlDocument, lines: LineCounter): ReadonlySet<number> {
  const within = new Set<number>()
  visit(yaml, {
    Collection: (_, { flow, range }) => {
      if (flow !== true || !range) return undefined
      const last = lines.linePos(range[1] - 1).line
      for (let line = lines.linePos(range[0]).line + 1; line <= last; line++) within.add(line)
      return visit.SKIP
    },
  })
  return within
}
