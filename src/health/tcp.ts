import { PASSED } from '../model/probe-result.ts'
import type { TcpProbeSpec } from '../model/probe-spec.ts'
import { AnswerText, describeMismatch } from './answer-text.ts'
import { type Connection, overConnection } from './connection.ts'
import { overPlainConnection } from './plain-connection.ts'
import type { Probe } from './probe.ts'
import type { ProbeTarget } from './target.ts'

/** Passes when the handshake is done and, where something is expected, when that has come. */
export function tcpProbe(target: ProbeTarget, spec: TcpProbeSpec = { kind: 'tcp' }): Probe {
  if (spec.send === undefined && spec.expect === undefined) return (signal) => overPlainConnection(target, signal, pass)
  return (signal) => overConnection(target, signal, (connection) => talk(connection, spec))
}

function pass(connection: Pick<Connection, 'settle'>): void {
  connection.settle(PASSED)
}

function talk(connection: Connection, { send, expect }: TcpProbeSpec): void {
  const { socket } = connection
  if (send !== undefined) socket.write(send, 'latin1')
  if (expect === undefined) {
    socket.end(() => connection.leave(PASSED))
    return
  }
  const answer = new AnswerText(expect, 'latin1')
  const judge = (fits: boolean | undefined) => {
    if (fits === true) connection.settle(PASSED)
    if (fits === false) connection.fail('wrong-answer', `answers ${describeMismatch(expect)}`)
  }
  socket.on('data', (chunk) => judge(answer.add(chunk)))
  socket.once('end', () => {
    if (socket.bytesRead === 0) connection.fail('closed', 'closes the connection without an answer')
    else judge(answer.end())
  })
}
