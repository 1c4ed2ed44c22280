import { accepted, type Grammar, refused, show } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { line, truth } from '../../document/values/choice.ts'
import { command } from '../../document/values/command.ts'
import { probeKind } from './probe-kind.ts'

const EXAMPLE = 'exec: { command: [/usr/local/bin/check, --fast] }'

const user: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^[^:/\\s]{1,64}$' },
  read(raw) {
    const reading = line('the name of a user', 64).read(raw)
    if (!reading.ok || /^[^:/\s]+$/.test(reading.value)) return reading
    return refused(`${show(raw)} is not the name of a user`, 'write one of /etc/passwd, such as nobody')
  },
}

const execKeys = mapping(
  {
    command: optional(command(EXAMPLE), 'The whole path of the program, then its arguments. There is no shell.'),
    dynamic: optional(truth, 'Whether exit codes from 2 on pass and set the weight to the code less 2; false by default.'),
    user: optional(user, "Whose rights the program has. By default nobody's where Pointsman is root, and else its own."),
  },
  "A program of this machine that asks the backend, with the exit codes of keepalived's MISC_CHECK.",
)

export const execKind = probeKind({
  schema: section(execKeys),
  example: EXAMPLE,
  toSpec({ command: written, dynamic = false, user: account }) {
    if (written === undefined) return refused('exec has no command', `write ${EXAMPLE}`)
    return accepted({ kind: 'exec', command: written, dynamic, ...(account !== undefined && { user: account }) })
  },
})
