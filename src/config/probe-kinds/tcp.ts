import { accepted, refused } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { byteText, textMatch } from '../../document/values/text-match.ts'
import { probeKind } from './probe-kind.ts'

const tcpKeys = mapping(
  {
    send: optional(byteText('what is sent'), 'What is sent when the connection stands; "\\r\\n" in quotes ends a line.'),
    expect: optional(textMatch(true), 'What the answer must contain within its first 64 KiB.'),
  },
  'A connection; with expect also an answer.',
)

export const tcpKind = probeKind({
  schema: section(tcpKeys),
  example: 'tcp: { send: "PING\\r\\n", expect: "+PONG" }',
  toSpec({ send, expect }) {
    if (send !== undefined && expect === undefined)
      return refused('tcp sends something and expects nothing', 'write expect: with what must come back, or remove send')
    return accepted({ kind: 'tcp', ...(send !== undefined && { send }), ...(expect !== undefined && { expect }) })
  },
})
