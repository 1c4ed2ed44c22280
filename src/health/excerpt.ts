import { HIDDEN } from '../model/hidden.ts'

const LENGTH = 120

/** Shorter ones are no secrets, and would be found everywhere. */
const SHORTEST_SECRET = 4

/**
 * The first line of what a backend or a program said that is not blank, short and without control characters, for a message. `told`: what it was told,
 * which may be a secret: where it says that back, it is `***`.
 */
export function excerpt(text: string, told: readonly string[] = []): string {
  const line = text.split(/[\r\n]/).find((one) => one.trim() !== '') ?? ''
  const plain = withoutWords(line.trim(), told).replaceAll(/\p{Cc}/gu, '?')
  return plain.length > LENGTH ? `${plain.slice(0, LENGTH - 3)}...` : plain
}

function withoutWords(line: string, told: readonly string[]): string {
  let shown = line
  const secrets = told.map((word) => word.trim()).filter((word) => word.length >= SHORTEST_SECRET)
  // A longer one may hold a shorter one.
  for (const secret of secrets.toSorted((a, b) => b.length - a.length)) shown = shown.replaceAll(secret, () => HIDDEN)
  return shown
}
