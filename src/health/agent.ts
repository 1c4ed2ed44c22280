import type { ProbeResult } from '../model/probe-result.ts'
import type { AgentProbeSpec } from '../model/probe-spec.ts'
import { type AgentWord, readAgentLine } from './agent-text.ts'
import { type Connection, overConnection } from './connection.ts'
import { excerpt } from './excerpt.ts'
import { Lines } from './lines.ts'
import type { Probe } from './probe.ts'
import { type ProbeTarget, targetName } from './target.ts'

/**
 * Asks the agent of a backend, which answers in one line. Only what the agent says counts: one that cannot be reached, is silent
 * or not understood tells nothing about the backend, as HAProxy has it.
 */
export function agentProbe(target: ProbeTarget, spec: AgentProbeSpec): Probe {
  return async (signal) => {
    const result = await overConnection(target, signal, (connection) => talk(connection, spec, targetName(target)))
    // A failure by the agent's own word has a report, if only an empty one.
    if (result.outcome !== 'failed' || result.report !== undefined) return result
    return { outcome: 'unknown', message: `the agent at ${result.message}` }
  }
}

function talk(connection: Connection, { send }: AgentProbeSpec, name: string): void {
  const { socket } = connection
  const lines = new Lines(/[\r\n]/)
  const told = send?.split(/[\s,;"']+/) ?? []
  const hear = (line: string) => {
    const word = readAgentLine(line)
    if (word !== undefined) connection.settle(resultOf({ ...word, text: excerpt(word.text, told) }, name))
    else connection.fail('wrong-answer', `says nothing that is known: ${JSON.stringify(excerpt(line, told))}`)
  }
  if (send !== undefined) socket.write(send, 'latin1')
  socket.on('data', (chunk) => {
    const [line] = lines.add(chunk)
    if (line !== undefined) hear(line)
    else if (lines.tooMany) connection.fail('wrong-answer', 'never ends its line')
  })
  socket.once('end', () => {
    if (lines.rest === '') connection.fail('closed', 'closes the connection without an answer')
    else hear(lines.rest)
  })
}

function resultOf({ state, report, text }: AgentWord, name: string): ProbeResult {
  if (state !== 'down') return { outcome: 'passed', ...(Object.keys(report).length > 0 && { report }) }
  return { outcome: 'failed', failure: 'wrong-answer', message: `the agent at ${name} says ${text}`, report }
}
