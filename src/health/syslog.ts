import { hostname } from 'node:os'
import { PASSED } from '../model/probe-result.ts'
import type { SyslogProbeSpec } from '../model/probe-spec.ts'
import { MOST_OF_AN_ANSWER } from './answer-text.ts'
import { type Connection, overConnection } from './connection.ts'
import { overDatagrams } from './datagrams.ts'
import type { Probe } from './probe.ts'
import { counted, syslogMessage } from './syslog-message.ts'
import type { ProbeTarget } from './target.ts'

/** Milliseconds in which a server that turns us away has done so: a round trip, with some to spare. */
const TURNED_AWAY = 50

/**
 * Sends one message. Syslog never answers: over UDP all but a refusal passes, when the deadline comes; over TCP it passes when the
 * server, having read to the end, closes the connection as well.
 */
export function syslogProbe(target: ProbeTarget, spec: SyslogProbeSpec): Probe {
  const message = () => syslogMessage(spec, { at: Date.now(), host: hostname(), pid: process.pid })
  if (spec.transport === 'tcp') return (signal) => overConnection(target, signal, (connection) => talk(connection, message()))
  return (signal) =>
    overDatagrams(target, signal, {
      begin: (datagrams) => datagrams.send(message()),
      onDatagram: (_, datagrams) => datagrams.settle(PASSED),
      onSilence: (datagrams) => datagrams.settle(PASSED),
    })
}

/** A reset behind the message would have the server lose what it has not read yet; so the end is said, and waited for. */
function talk(connection: Connection, message: Buffer): void {
  const { socket } = connection
  connection.silence = 'takes the message and does not close the connection in time'
  socket.write(counted(message))
  const end = setTimeout(() => socket.end(), TURNED_AWAY)
  socket.once('close', () => clearTimeout(end))
  // What comes back is nothing that syslog knows; the end is behind it.
  socket.on('data', () => {
    if (socket.bytesRead > MOST_OF_AN_ANSWER) connection.fail('wrong-answer', 'answers, and at length')
  })
  socket.once('end', () => {
    if (socket.writableFinished) connection.settle(PASSED)
    else connection.fail('closed', 'closes the connection before the message is through')
  })
}
