/** Lets several clients share one agent: a unix socket whose connections' requests are told apart by an id prefix. */

import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Answer, encodeFrame, FrameReader, type LabMode, type Request } from './protocol.ts'
import type { StartedAgent } from './start-agent.ts'

export interface Broker {
  /** What `attachLab` connects to. */
  readonly socketPath: string
  close(): void
}

interface Clients {
  readonly sockets: Map<string, Socket>
  next: number
}

/** Requests of one client, its ids prefixed with the client's number. */
function serveClient(client: Socket, clients: Clients, agent: StartedAgent): void {
  const prefix = `${clients.next++}:`
  clients.sockets.set(prefix, client)
  const reader = new FrameReader<Request>()
  client.on('data', (chunk) => {
    for (const { head, body } of reader.push(chunk)) {
      if (head.op !== 'forget') agent.channel.write(encodeFrame({ ...head, id: prefix + head.id }, body))
    }
  })
  client.on('error', () => undefined)
  client.on('close', () => {
    clients.sockets.delete(prefix)
    if (agent.channel.writable) agent.channel.write(encodeFrame({ op: 'forget', id: '', prefix }))
  })
}

function distributeAnswers(agent: StartedAgent, clients: Clients): void {
  const reader = new FrameReader<Answer>()
  agent.channel.on('data', (chunk) => {
    for (const { head, body } of reader.push(chunk)) {
      const end = head.id.indexOf(':') + 1
      const client = clients.sockets.get(head.id.slice(0, end))
      client?.write(encodeFrame({ ...head, id: head.id.slice(end) } as Answer, body))
    }
  })
  agent.channel.on('error', () => undefined)
  agent.channel.on('close', () => {
    const message = `the lab ended unexpectedly; its console said:\n${agent.consoleTail()}`
    for (const client of clients.sockets.values()) client.end(encodeFrame({ op: 'gone', id: '', message }))
  })
}

export async function startBroker(agent: StartedAgent, mode: LabMode): Promise<Broker> {
  const clients: Clients = { sockets: new Map(), next: 1 }
  distributeAnswers(agent, clients)
  const { kernel, consolePath } = agent
  const server: Server = createServer((client) => {
    serveClient(client, clients, agent)
    client.write(encodeFrame({ op: 'hello', id: '', kernel, mode, consolePath }))
  })
  const socketPath = join(agent.runDir, 'lab.sock')
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })
  return {
    socketPath,
    close: () => {
      server.close()
      for (const client of clients.sockets.values()) client.destroy()
    },
  }
}
