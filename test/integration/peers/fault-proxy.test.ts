import { Agent, request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../../peers/fault-proxy.ts'
import { httpCall } from '../../peers/http-call.ts'
import { listReply, type ScriptedServer, startHttpServer } from '../../peers/http-server.ts'

const list = [{ targets: ['10.1.1.1:80', '10.1.1.2:80'] }]
const body = JSON.stringify(list)

let server: ScriptedServer
let proxy: FaultProxy

const get = (timeout = 2_000) => httpCall(`${proxy.url}/list?index=7`, { timeout })

/** What a client that reads bytes has when the connection ends. */
function read(agent: Agent): Promise<{ status: number; text: string; whole: boolean }> {
  return new Promise((resolve, reject) => {
    request(`${proxy.url}/list`, { agent }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('error', () => undefined)
      answer.on('close', () => resolve({ status: answer.statusCode ?? 0, text, whole: answer.complete }))
    })
      .on('error', reject)
      .end()
  })
}

beforeAll(async () => {
  server = await startHttpServer()
  proxy = await startFaultProxy({ to: server })
})

afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await proxy.set({ kind: 'pass' })
  server.reply(listReply(list, { etag: '"1"' }))
})

describe('the fault proxy', () => {
  it('lets pass what it is not told to harm, and records it', async () => {
    const seen = proxy.requests.length
    expect((await get()).text).toBe(body)
    const recorded = proxy.requests[seen]
    expect(recorded).toMatchObject({ method: 'GET', path: '/list?index=7', reply: { status: 200, headers: { etag: '"1"' } } })
    expect(recorded?.bytes).toMatch(/^GET \/list\?index=7 HTTP\/1\.1\r\n/)
  })

  it('delays', async () => {
    await proxy.set({ kind: 'delay', ms: 200 })
    const before = performance.now()
    expect((await get()).text).toBe(body)
    expect(performance.now() - before).toBeGreaterThan(195)
  })

  it('refuses, and listens again at the same place', async () => {
    await proxy.set({ kind: 'refuse' })
    await expect(get()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await proxy.set({ kind: 'pass' })
    expect((await get()).status).toBe(200)
  })

  it('resets', async () => {
    await proxy.set({ kind: 'reset' })
    await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('cuts after so many bytes', async () => {
    await proxy.set({ kind: 'cut', afterBytes: 12 })
    await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('gives half a body and closes', async () => {
    await proxy.set({ kind: 'half-body' })
    const half = await read(new Agent())
    expect(half).toEqual({ status: 200, text: body.slice(0, body.length / 2), whole: false })
  })

  it('gives half a body and hangs', async () => {
    await proxy.set({ kind: 'half-body', ending: 'hang' })
    await expect(get(300)).rejects.toThrow('no answer within 300 ms')
  })

  it('swallows everything, and lets it go on afterwards', async () => {
    await proxy.set({ kind: 'black-hole' })
    await expect(get(200)).rejects.toThrow('no answer within 200 ms')
    const patient = get()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await proxy.set({ kind: 'pass' })
    expect((await patient).text).toBe(body)
  })

  it('answers in the place of the peer, also what was asked before', async () => {
    server.reply((_request, response) => void setTimeout(() => response.end('late'), 200))
    const under = get()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await proxy.set({ kind: 'answer', status: 429, headers: { 'retry-after': '3' }, body: 'slow down' })
    const answer = { status: 429, headers: { 'retry-after': '3' }, text: 'slow down' }
    const asked = server.requests.length
    expect(await get()).toMatchObject(answer)
    expect(server.requests.length).toBe(asked)
    expect(await under).toMatchObject(answer)
  })

  it('answers with garbage', async () => {
    await proxy.set({ kind: 'garbage' })
    await expect(get()).rejects.toMatchObject({ code: expect.stringMatching(/^HPE_/) })
  })

  it('counts connections and sees every request of one that is kept', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const [connections, requests] = [proxy.connections, proxy.requests.length]
    for (let i = 0; i < 5; i += 1) await read(agent)
    expect([proxy.connections - connections, proxy.requests.length - requests]).toEqual([1, 5])
    agent.destroy()
  })
})
