import { accepted, refused } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { byteText, textMatch } from '../../document/values/text-match.ts'
import { probeKind } from './probe-kind.ts'

const EXAMPLE = 'udp: { send: "\\x00\\x01ping", expect: pong }'

const udpKeys = mapping(
  {
    send: optional(byteText('what is sent'), 'What the datagram holds; "\\xff" in double quotes is one byte.'),
    expect: optional(
      textMatch(true),
      'What the datagram that comes back must contain; left out, any one passes, and so does silence.',
    ),
  },
  'A datagram; with expect also an answer. A port where nobody listens refuses it.',
)

export const udpKind = probeKind({
  schema: section(udpKeys),
  example: EXAMPLE,
  toSpec({ send, expect }) {
    if (send === undefined) return refused('udp sends nothing', `write what backends answer, such as ${EXAMPLE}`)
    return accepted({ kind: 'udp', send, ...(expect !== undefined && { expect }) })
  },
})
