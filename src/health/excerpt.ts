const LENGTH = 120

/** The first line of what a backend or a program said that is not blank, short and without control characters, for a message. */
export function excerpt(text: string): string {
  const line = text.split(/[\r\n]/).find((one) => one.trim() !== '') ?? ''
  const plain = line.trim().replaceAll(/\p{Cc}/gu, '?')
  return plain.length > LENGTH ? `${plain.slice(0, LENGTH - 3)}...` : plain
}
