import { accepted, type Grammar, type Reading, refused, show } from '../document/reading.ts'
import { derived, mapping, optional } from '../document/schema.ts'
import { choice, secretLine } from '../document/values/choice.ts'
import { command } from '../document/values/command.ts'
import { duration } from '../document/values/duration.ts'
import { STATE_EVENT_KINDS, type StateEventKind } from '../model/state-event.ts'
import type { HooksSettings } from './configuration.ts'

const EXAMPLE = 'hooks: { exec: [/usr/local/bin/pointsman-event] }'
const REMEDY = 'write the address that is told, such as https://alerts.example/pointsman'

const text = secretLine('the address of the webhook', 4000)

/** An absolute address; comes out as browsers write it. Sentences do not show it: it may hold a secret. */
const webhook: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^https?://[^@/?#]+([/?]|$)', examples: ['https://alerts.example/pointsman'] },
  read(raw) {
    const reading = text.read(raw)
    if (!reading.ok) return reading
    const parsed = URL.parse(reading.value)
    if (parsed === null) return refused('this is not the address of a webhook', REMEDY)
    if (!['http:', 'https:'].includes(parsed.protocol))
      return refused(`${parsed.protocol}// cannot be told of anything`, 'write http:// or https://')
    if (parsed.username !== '' || parsed.password !== '')
      return refused('the address holds a user name or password', 'write a secret into the path or the query')
    if (parsed.hash !== '') return refused('what stands behind # is not sent to the server', 'remove it from the address')
    return accepted(parsed.href)
  },
}

const kind = choice(STATE_EVENT_KINDS)

const kinds: Grammar<readonly StateEventKind[]> = {
  jsonSchema: { type: 'array', items: { enum: STATE_EVENT_KINDS }, minItems: 1 },
  read(raw) {
    const remedy = `write a list of ${STATE_EVENT_KINDS.join(', ')}`
    if (!Array.isArray(raw)) return refused(`${show(raw)} is not a list of kinds`, remedy)
    if (raw.length === 0) return refused('the list is empty', `${remedy}, or leave the key out`)
    const read: StateEventKind[] = []
    for (const one of raw) {
      const reading = kind.read(one)
      if (!reading.ok) return reading
      if (!read.includes(reading.value)) read.push(reading.value)
    }
    return accepted(read)
  },
}

/** A whole table is written at a start: who wants to be told of each of its lines asks for it. */
const USUAL = STATE_EVENT_KINDS.filter((each) => each !== 'kernel')

const program = command('exec: [/usr/local/bin/pointsman-event]')

const hooksKeys = mapping(
  {
    exec: optional(program, 'A program that is run for each transition, with its arguments.'),
    webhook: optional(webhook, 'An address to which each transition is posted as JSON.'),
    on: optional(kinds, 'Kinds of transitions that exec and webhook are told of; all but kernel by default.'),
    quorum_up: optional(program, 'A program that is run when a service has its quorum.'),
    quorum_down: optional(program, 'A program that is run when a service has lost its quorum.'),
    timeout: optional(duration({ min: 100, max: 600_000 }), 'How long one run may take; 10s by default.'),
  },
  'Who is told of transitions: programs, a web server, or both.',
)

export const hooksSchema = derived(hooksKeys, (written): Reading<HooksSettings> => {
  const { exec, webhook: url, quorum_up: quorumUp, quorum_down: quorumDown, on = USUAL, timeout = 10_000 } = written
  if ([exec, url, quorumUp, quorumDown].every((hook) => hook === undefined))
    return refused('hooks tells nobody', `write exec, webhook, quorum_up or quorum_down, such as ${EXAMPLE}`)
  return accepted({
    ...(exec !== undefined && { exec }),
    ...(url !== undefined && { webhook: url }),
    ...(quorumUp !== undefined && { quorumUp }),
    ...(quorumDown !== undefined && { quorumDown }),
    on,
    timeout,
  })
})
