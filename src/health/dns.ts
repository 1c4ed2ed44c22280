import { randomInt } from 'node:crypto'
import { parseAddress } from '../model/address.ts'
import { PASSED } from '../model/probe-result.ts'
import type { DnsProbeSpec } from '../model/probe-spec.ts'
import { type Connection, overConnection } from './connection.ts'
import { type Datagrams, overDatagrams } from './datagrams.ts'
import { comparable } from './dns-data.ts'
import { type DnsAnswer, decodeAnswer, encodeQuery } from './dns-message.ts'
import type { Probe } from './probe.ts'
import type { ProbeTarget } from './target.ts'

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH']

/** Asks one question and judges the response code and, where one is expected, the data. Datagrams that answer something else are passed over. */
export function dnsProbe(target: ProbeTarget, spec: DnsProbeSpec): Probe {
  const question = { name: spec.name.replace(/\.$/, ''), type: spec.type }
  return (signal) => {
    const id = randomInt(0x10000)
    const query = encodeQuery(question, id)
    const read = (message: Buffer) => decodeAnswer(message, question, id)
    if (spec.transport === 'tcp') {
      return overConnection(target, signal, (connection) => talk(connection, spec, { query, read }))
    }
    return overDatagrams(target, signal, {
      begin: (datagrams) => datagrams.send(query),
      onDatagram(datagram, datagrams) {
        const answer = read(datagram)
        if (answer !== undefined) conclude(answer, spec, datagrams)
      },
      onSilence: (datagrams) => datagrams.fail('no-answer', 'does not answer the question in time'),
    })
  }
}

interface Exchange {
  readonly query: Buffer
  readonly read: (message: Buffer) => DnsAnswer | undefined
}

/** RFC 1035, 4.2.2: messages behind their length in two bytes. */
function talk(connection: Connection, spec: DnsProbeSpec, { query, read }: Exchange): void {
  const { socket } = connection
  let received = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
    const answer = read(received.subarray(2, 2 + received.readUInt16BE(0)))
    if (answer === undefined) connection.fail('wrong-answer', 'sends something else than an answer to the question')
    else conclude(answer, spec, connection)
  })
  socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 0xff), query]))
}

/** Ends the probe by an answer. */
function conclude(answer: DnsAnswer, spec: DnsProbeSpec, channel: Pick<Datagrams, 'settle' | 'fail'>): void {
  const fault = faultOf(answer, spec)
  if (fault === undefined) channel.settle(PASSED)
  else channel.fail('wrong-answer', fault)
}

function faultOf({ rcode, truncated, data }: DnsAnswer, spec: DnsProbeSpec): string | undefined {
  if (rcode !== spec.rcode) return `answers ${rcodeName(rcode)}, not ${rcodeName(spec.rcode)}`
  if (spec.answer === undefined) return undefined
  if (truncated) return 'truncates its answer over UDP; write transport: tcp'
  // An IPv6 address may be written in many ways.
  const sought = comparable(parseAddress(spec.answer) ?? spec.answer, spec.type)
  if (data.some((one) => comparable(one, spec.type) === sought)) return undefined
  const [first = 'nothing', ...more] = data
  return `answers ${first}${more.length > 0 ? ` and ${more.length} more` : ''}, not ${spec.answer}`
}

function rcodeName(rcode: number): string {
  return RCODES[rcode] ?? `response code ${rcode}`
}
