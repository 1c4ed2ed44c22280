/** Registries behind a proxy that harms what passes, each with the source that follows it. */

import type { SourceSpec } from '../../src/model/source-spec.ts'
import { startConsul } from '../peers/consul.ts'
import { type DnsFault, startDnsFaultProxy } from '../peers/dns-fault-proxy.ts'
import { type Fault, startFaultProxy } from '../peers/fault-proxy.ts'
import { listReply, startHttpServer } from '../peers/http-server.ts'
import { startKnot } from '../peers/knot.ts'
import { backend } from '../unit/pipeline/makers.ts'
import { groups } from './http-watching.ts'

export interface Road extends AsyncDisposable {
  readonly source: SourceSpec
  /** The same as a configuration has it. */
  readonly yaml: string
  /** The registry knows exactly these members from now on. */
  know(...members: number[]): Promise<void>
  harm(fault: Fault | DnsFault): Promise<void>
}

const page = { kind: 'answer', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' } as const

export type NamedFaults = readonly (readonly [string, Fault | DnsFault])[]

const OVER_TCP: NamedFaults = [
  ['refuses', { kind: 'refuse' }],
  ['resets', { kind: 'reset' }],
  ['cuts the head', { kind: 'cut', afterBytes: 40 }],
  ['cuts the body', { kind: 'half-body' }],
  ['cuts the body and hangs', { kind: 'half-body', ending: 'hang' }],
  ['swallows everything', { kind: 'black-hole' }],
  ['is far too slow', { kind: 'delay', ms: 30_000 }],
  ['answers 500', { kind: 'answer', status: 500 }],
  ['answers 429', { kind: 'answer', status: 429 }],
  ['answers by a login page', page],
  ['sends garbage', { kind: 'garbage' }],
]

const DNS: NamedFaults = [
  ['refuses', { kind: 'refuse' }],
  ['swallows everything', { kind: 'black-hole' }],
  ['is far too slow', { kind: 'delay', ms: 30_000 }],
  ['answers SERVFAIL', { kind: 'answer', rcode: 'SERVFAIL' }],
  ['answers REFUSED', { kind: 'answer', rcode: 'REFUSED' }],
  ['cuts answers', { kind: 'cut', afterBytes: 40 }],
  ['sends garbage', { kind: 'garbage' }],
  ['answers other queries', { kind: 'wrong-id' }],
  ['answers other questions', { kind: 'wrong-question' }],
]

async function httpRoad(): Promise<Road> {
  const parts = new AsyncDisposableStack()
  const server = parts.use(await startHttpServer())
  const proxy = parts.use(await startFaultProxy({ to: server }))
  const url = `${proxy.url}/web.json`
  return {
    source: { kind: 'http', url, interval: 100, timeout: 2_000, maxSize: 1_000_000 },
    yaml: `http: { url: '${url}', interval: 1s, timeout: 2s }`,
    know: async (...members) => server.reply(listReply(groups(...members), { etag: `"${members}"` })),
    harm: (fault) => proxy.set(fault as Fault),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function consulRoad(): Promise<Road> {
  const parts = new AsyncDisposableStack()
  const agent = parts.use(await startConsul())
  const proxy = parts.use(await startFaultProxy({ to: { address: agent.address, port: agent.httpPort } }))
  let known: readonly number[] = []
  return {
    source: {
      kind: 'consul',
      service: 'web',
      agents: [proxy.url],
      consistency: 'default',
      maxStale: 10_000,
      tags: [],
      nodeMeta: {},
      passingOnly: false,
      wait: 1_000,
      maxWatches: 100,
    },
    yaml: `consul: { service: web, address: '${proxy.url}', wait: 1s }`,
    async know(...members) {
      for (const number of members)
        await agent.register({ name: 'web', id: `web-${number}`, address: backend(number).address, port: 8080 })
      for (const number of known) if (!members.includes(number)) await agent.deregister(`web-${number}`)
      known = members
    },
    harm: (fault) => proxy.set(fault as Fault),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function dnsRoad(): Promise<Road> {
  const parts = new AsyncDisposableStack()
  const knot = parts.use(await startKnot({ zones: { 'web.example': '' } }))
  const proxy = parts.use(await startDnsFaultProxy({ to: knot }))
  const name = '_http._tcp.web.example'
  return {
    source: {
      kind: 'dns_srv',
      name,
      servers: [{ address: proxy.address, port: proxy.port }],
      transport: 'auto',
      timeout: 2_000,
      refresh: { min: 100, max: 100 },
      retry: { min: 1_000, max: 30_000 },
      holdObsolete: 0,
      zeroWeight: 'serve',
      policies: { nxdomain: 'hold', nodata: 'hold', no_service: 0, servfail: 'hold', refused: 'hold', timeout: 'hold' },
    },
    yaml: `dns_srv: { name: ${name}, servers: ['${proxy.server}'], refresh: { min: 1s, max: 1s }, hold_obsolete: 0s }`,
    know: (...members) => {
      const record = (number: number) => `_http._tcp SRV 0 1 8080 t${number}\nt${number} A ${backend(number).address}`
      return knot.zone('web.example', members.map(record).join('\n'))
    },
    harm: (fault) => proxy.set(fault as DnsFault),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

export const ROADS: readonly (readonly [name: string, open: () => Promise<Road>, faults: NamedFaults])[] = [
  ['http', httpRoad, OVER_TCP],
  ['consul', consulRoad, OVER_TCP],
  ['dns_srv', dnsRoad, DNS],
]
