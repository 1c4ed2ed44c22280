import { accepted } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { byteText } from '../../document/values/text-match.ts'
import { probeKind } from './probe-kind.ts'

const agentKeys = mapping(
  {
    send: optional(byteText('what is sent'), 'What is sent when the connection stands; "web-1\\n" in double quotes ends a line.'),
  },
  "An agent beside the backend that speaks as HAProxy's agents do; port: says where it listens.",
)

export const agentKind = probeKind({
  schema: section(agentKeys),
  example: 'agent: { send: "web-1\\n" }',
  toSpec: ({ send }) => accepted({ kind: 'agent', ...(send !== undefined && { send }) }),
})
