/** What is the same in two outputs of one command: words and columns, and neither addresses, numbers and times nor how wide a column is. */

const SPAN = /\b\d+(?:\.\d+)?(?:ms|s|m|h|d)\b(?: \d+(?:ms|s|m|h)\b)*/g

function shapeOf(line: string): string {
  return (
    line
      // Colours of a terminal.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
      .replaceAll(/\u001b\[[\d;]*m/g, '')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replaceAll(/\b\d+(?:\.\d+){3}(?::\d+)?/g, 'ADDRESS')
      .replaceAll(SPAN, 'SPAN')
      .replaceAll(/\b\d+\b/g, 'N')
      .replaceAll(/\s+/g, ' ')
      .trim()
  )
}

/** The lines of a page that have no counterpart in what was really printed, behind the counterparts of those before them. */
export function stale(shown: string, printed: string): string[] {
  const shapes = printed.split('\n').map(shapeOf)
  let from = 0
  return shown
    .trimEnd()
    .split('\n')
    .filter((line) => {
      const at = shapes.findIndex((shape, index) => index >= from && shape.includes(shapeOf(line)))
      if (at >= 0) from = at + 1
      return at < 0
    })
}
