/** As much of a DNS message's form (RFC 1035) as it takes to harm one. */

export const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

const headerLength = 12
const truncatedBit = 0x0200

/** Where the question ends: after its name, type and class. */
function endOfQuestion(message: Buffer): number {
  let at = headerLength
  while ((message[at] ?? 0) !== 0) at += (message[at] ?? 0) + 1
  return at + 5
}

/** The name asked for, in lower case without the last dot, and the type's number. */
export function questionOf(message: Buffer): { readonly name: string; readonly type: number } {
  const labels: string[] = []
  for (let at = headerLength; (message[at] ?? 0) !== 0; at += (message[at] ?? 0) + 1)
    labels.push(message.toString('latin1', at + 1, at + 1 + (message[at] ?? 0)))
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(endOfQuestion(message) - 4) }
}

/** An answer to the query without any record. */
export function bareAnswer(query: Buffer, rcode: keyof typeof RCODES, { truncated = false } = {}): Buffer {
  const answer = Buffer.from(query.subarray(0, endOfQuestion(query)))
  const recursionDesired = query.readUInt16BE(2) & 0x0100
  const authoritative = RCODES[rcode] === RCODES.NOERROR ? 0x0400 : 0
  answer.writeUInt16BE(0x8000 | authoritative | recursionDesired | (truncated ? truncatedBit : 0) | RCODES[rcode], 2)
  answer.fill(0, 6, headerLength)
  return answer
}

export function withOtherId(message: Buffer): Buffer {
  const other = Buffer.from(message)
  other.writeUInt16BE(other.readUInt16BE(0) ^ 0x0101, 0)
  return other
}

/** The same message about a name whose first letter is another one. */
export function withOtherQuestion(message: Buffer): Buffer {
  const other = Buffer.from(message)
  other[headerLength + 1] = (other[headerLength + 1] ?? 0) ^ 0x02
  return other
}
