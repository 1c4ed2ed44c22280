import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import dns2 from 'dns2'
import { onTestFinished } from 'vitest'
import type { NameServer } from '../../../../src/model/dns-source-spec.ts'

const { Packet } = dns2

export type Dns2Packet = InstanceType<typeof Packet>

/** What came, as another implementation reads it. */
export interface Asked {
  readonly over: 'udp' | 'tcp'
  readonly packet: Dns2Packet
}

/** The datagrams or messages to send back, none for silence; over TCP `end` closes the connection. */
export type Script = (asked: Asked) => readonly (Uint8Array | 'end')[]

export interface ScriptedServer extends NameServer {
  readonly asked: Asked[]
}

/** A server on one port over UDP and TCP, gone after the test. `without` leaves one of the two closed. */
export async function scriptedServer(
  script: Script,
  { address = '127.0.0.1', without }: { readonly address?: string; readonly without?: 'udp' | 'tcp' } = {},
): Promise<ScriptedServer> {
  const asked: Asked[] = []
  const run = (over: Asked['over'], bytes: Buffer) => {
    const one = { over, packet: Packet.parse(bytes) }
    asked.push(one)
    return script(one)
  }
  const connections = new Set<Socket>()
  const tcp = createServer((connection) => {
    connections.add(connection)
    connection.on('error', () => {})
    connection.setNoDelay(true)
    connection.on('data', (bytes) => send(connection, run('tcp', bytes.subarray(2))))
  })
  tcp.listen(0, address)
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  udp.on('message', (bytes, from) => {
    for (const reply of run('udp', bytes)) if (reply !== 'end') udp.send(reply, from.port, from.address)
  })
  if (without !== 'udp') await new Promise<void>((resolve) => udp.bind(port, address, resolve))
  if (without === 'tcp') await new Promise((resolve) => tcp.close(resolve))
  onTestFinished(() => {
    udp.close()
    tcp.close()
    for (const connection of connections) connection.destroy()
  })
  return { address, port, asked }
}

/** In pieces, the first of which ends within the length. */
async function send(connection: Socket, replies: ReturnType<Script>): Promise<void> {
  for (const reply of replies) {
    if (reply === 'end') {
      connection.end()
      continue
    }
    connection.write(Uint8Array.of(reply.length >> 8))
    await wait(2)
    connection.write(Buffer.concat([Uint8Array.of(reply.length & 0xff), reply.subarray(0, reply.length >> 1)]))
    await wait(2)
    connection.write(reply.subarray(reply.length >> 1))
  }
}

interface Reply {
  readonly header?: Partial<Dns2Packet['header']>
  readonly answers?: readonly object[]
  readonly authorities?: readonly object[]
  readonly additionals?: readonly object[]
}

/** An authoritative answer to a query; the header can be bent. */
export function reply(query: Dns2Packet, { header = {}, answers = [], authorities = [], additionals = [] }: Reply = {}): Buffer {
  const packet = new Packet()
  packet.header = Object.assign(new Packet.Header({ id: query.header.id }), { qr: 1, aa: 1 }, header)
  packet.questions = [...query.questions]
  packet.answers = answers.map(record)
  packet.authorities = authorities.map(record)
  packet.additionals = additionals.map(record)
  return packet.toBuffer()
}

function record(fields: object) {
  return Object.assign({ class: Packet.CLASS.IN, ttl: 60 }, fields) as Dns2Packet['answers'][number]
}

export const a = (name: string, address: string, ttl = 60) => ({ name, type: Packet.TYPE.A, address, ttl })
export const aaaa = (name: string, address: string, ttl = 60) => ({ name, type: Packet.TYPE.AAAA, address, ttl })
export const cname = (name: string, domain: string, ttl = 60) => ({ name, type: Packet.TYPE.CNAME, domain, ttl })
export const srv = (name: string, target: string, more: object = {}) => ({
  name,
  type: Packet.TYPE.SRV,
  priority: 0,
  weight: 1,
  port: 80,
  target,
  ...more,
})
