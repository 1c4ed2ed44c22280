/** A value as one line of a file. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

/** What a text says, or undefined where it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
