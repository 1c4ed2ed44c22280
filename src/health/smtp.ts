import { PASSED } from '../model/probe-result.ts'
import type { SmtpProbeSpec } from '../model/probe-spec.ts'
import { type Connection, overConnection } from './connection.ts'
import { excerpt } from './excerpt.ts'
import { Lines } from './lines.ts'
import type { Probe } from './probe.ts'
import type { ProbeTarget } from './target.ts'

/** One step of the conversation: what is expected, how people call it, and what is said then. */
interface Step {
  readonly code: string
  readonly what: string
  readonly next: string
}

/** Passes when the server greets with 220 and answers EHLO by 250 (RFC 5321); takes leave by QUIT, whatever comes of that. */
export function smtpProbe(target: ProbeTarget, spec: SmtpProbeSpec): Probe {
  return (signal) => overConnection(target, signal, (connection) => talk(connection, spec))
}

function talk(connection: Connection, { helo }: SmtpProbeSpec): void {
  const { socket } = connection
  const steps: Step[] = [
    { code: '220', what: 'greeting', next: `EHLO ${helo}\r\n` },
    { code: '250', what: 'answer to EHLO', next: 'QUIT\r\n' },
  ]
  const lines = new Lines(/\r?\n/)
  const hear = (line: string) => {
    const [, code, more] = /^(\d{3})([ -]|$)/.exec(line) ?? []
    const step = steps[0]
    if (step === undefined) return connection.settle(PASSED)
    if (code !== step.code) return connection.fail('wrong-answer', `has the ${step.what} ${JSON.stringify(excerpt(line))}`)
    if (more === '-') return
    steps.shift()
    // Who has been told QUIT may end the connection in any way.
    if (steps.length === 0) connection.lost = () => connection.settle(PASSED)
    connection.silence = `gives no ${steps[0]?.what ?? 'answer to QUIT'} in time`
    socket.write(step.next)
  }
  connection.silence = 'sends no greeting in time'
  socket.on('data', (chunk) => {
    for (const line of lines.add(chunk)) hear(line)
    if (lines.tooMany) connection.fail('wrong-answer', 'sends more than a server of mail does')
  })
  socket.once('end', () => {
    const [step] = steps
    if (step === undefined) connection.settle(PASSED)
    else connection.fail('closed', `closes the connection without the ${step.what}`)
  })
}
