import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loadConfiguration } from '../../src/config/load.ts'
import { passOnce, planNow } from '../../src/daemon/one-shot.ts'
import { probeFor } from '../../src/health/registry.ts'
import { serviceKey } from '../../src/model/virtual-service.ts'
import { identity, key } from '../support/desired.ts'
import { FakeHost } from '../unit/daemon/fake-host.ts'
import { temporaryDirectory } from '../unit/daemon/rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const HTTP = 'type: http, interval: 1s, fast_interval: 100ms, timeout: 500ms, fall: 2, http: { path: /healthz }'

/** A table in memory, and real probes. */
class ProbingHost extends FakeHost {
  override readonly probeFor: FakeHost['probeFor'] = probeFor
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('no port')
  return at.port
}

async function answering(status: number): Promise<number> {
  const server = createHttpServer((_, response) => response.writeHead(status).end())
  onTestFinished(() => void server.close())
  return await portOf(server)
}

/** Accepts, and says nothing. */
async function silent(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
  })
  onTestFinished(() => void server.close())
  return await portOf(server)
}

/** A port at which nobody listens. */
async function dead(): Promise<number> {
  const server = createServer()
  const port = await portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

async function configured(ports: readonly number[]) {
  const directory = await temporaryDirectory()
  const backends = ports.map((port) => `{ address: 127.0.0.1:${port}, weight: 5 }`).join(', ')
  const service = `{ name: web, listen: 10.0.0.1:80, health_check: { ${HTTP} }, backends: [${backends}] }`
  const bytes = Buffer.from(`global: { state_dir: ${directory}/state }\nservices:\n  - ${service}\n`)
  const loaded = loadConfiguration({ path: join(directory, 'c.yaml'), bytes })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration
}

function weights(host: FakeHost, ports: readonly number[]) {
  return ports.map((port) => host.kernel.destination(WEB, key(`127.0.0.1:${port}`))?.weight)
}

describe('once on an empty kernel', () => {
  it('brings those in that answer, and with weight 0 those that are gone, ill or silent', async () => {
    const host = new ProbingHost()
    const ports = [await answering(200), await dead(), await answering(500), await silent(), await answering(200)]
    const { found, notes } = await passOnce(host, 'once', await configured(ports))
    expect(weights(host, ports)).toEqual([5, 0, 0, 0, 5])
    const failures = ports.map((port) => found[0]?.found.get(key(`127.0.0.1:${port}`))?.failure)
    expect(failures).toEqual([undefined, 'refused', 'wrong-answer', 'no-answer', undefined])
    expect(notes).toEqual([])
  })

  it('gives nobody a weight where all are gone: a pool that was never up does not panic', async () => {
    const host = new ProbingHost()
    const ports = [await dead(), await dead()]
    const configuration = await configured(ports)
    await passOnce(host, 'once', configuration)
    expect(weights(host, ports)).toEqual([0, 0])
    host.kernel.break(undefined)
    expect((await planNow(host, configuration, 5_000)).plan.changes).toEqual([])
  })
})
