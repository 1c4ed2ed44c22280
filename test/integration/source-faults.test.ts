import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SourceEvent } from '../../src/model/source-event.ts'
import type { SourceSpec } from '../../src/model/source-spec.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { startConsul } from '../peers/consul.ts'
import { type DnsFault, startDnsFaultProxy } from '../peers/dns-fault-proxy.ts'
import { type Fault, startFaultProxy } from '../peers/fault-proxy.ts'
import { listReply, startHttpServer } from '../peers/http-server.ts'
import { startKnot } from '../peers/knot.ts'
import { backend, key, numbers, spec } from '../unit/pipeline/makers.ts'
import { groups } from './http-watching.ts'
import { Listener } from './scratch.ts'

/** A registry behind a proxy that harms what passes, and the source that follows it. */
interface Road extends AsyncDisposable {
  readonly source: SourceSpec
  /** The registry knows exactly these members from now on. */
  know(...members: number[]): Promise<void>
  harm(fault: Fault | DnsFault): Promise<void>
}

const page = { kind: 'answer', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' } as const

const OVER_TCP: readonly (readonly [string, Fault])[] = [
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

const DNS: readonly (readonly [string, DnsFault])[] = [
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
  return {
    source: { kind: 'http', url: `${proxy.url}/web.json`, interval: 100, timeout: 500, maxSize: 1_000_000 },
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
  return {
    source: {
      kind: 'dns_srv',
      name: '_http._tcp.web.example',
      servers: [{ address: proxy.address, port: proxy.port }],
      transport: 'auto',
      timeout: 300,
      refresh: { min: 100, max: 100 },
      retry: { min: 1_000, max: 30_000 },
      holdObsolete: 0,
      zeroWeight: 'serve',
      policies: { nxdomain: 'hold', nodata: 'hold', no_service: 0, servfail: 'hold', refused: 'hold', timeout: 'hold' },
    },
    know: (...members) => {
      const record = (number: number) => `_http._tcp SRV 0 1 8080 t${number}\nt${number} A ${backend(number).address}`
      return knot.zone('web.example', members.map(record).join('\n'))
    },
    harm: (fault) => proxy.set(fault as DnsFault),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** How long a source may take to notice that nothing comes any more: Consul's answers may be a wait and its slack apart. */
const NOTICED = 15_000

describe.each<[string, () => Promise<Road>, readonly (readonly [string, Fault | DnsFault])[]]>([
  ['http', httpRoad, OVER_TCP],
  ['consul', consulRoad, OVER_TCP],
  ['dns_srv', dnsRoad, DNS],
])('the source %s behind a network', (_, open, faults) => {
  let road: Road
  beforeAll(async () => {
    road = await open()
  })
  afterAll(() => road?.[Symbol.asyncDispose]())

  it.each(faults)('that %s keeps every member meanwhile, and is exact within a second of its end', async (__, fault) => {
    await road.harm({ kind: 'pass' })
    await road.know(1, 2, 3)
    const listener = new Listener<SourceEvent>(openSourceWith()(road.source, spec()))
    const says = (kind: SourceEvent['kind'], members: readonly number[], patience: number) =>
      listener.until((last) => last.kind === kind && membersOf(last) === listed(members), `${kind} ${members}`, patience)
    await says('fresh', [1, 2, 3], 5_000)
    await road.harm(fault)
    await says('stale', [1, 2, 3], NOTICED)
    await road.know(1, 4, 5)
    await road.harm({ kind: 'pass' })
    const healed = performance.now()
    await says('fresh', [1, 4, 5], 5_000)
    expect(performance.now() - healed).toBeLessThan(1_000)
    const others = listener.heard.filter(
      (event) => ![listed([1, 2, 3]), listed([1, 4, 5]), listed([])].includes(membersOf(event)),
    )
    expect(others, 'no half answer was believed').toEqual([])
    expect(listener.heard.filter((event) => event.kind !== 'pending' && event.set.backends.size < 3)).toEqual([])
  })
})

function membersOf(event: SourceEvent): string {
  return event.kind === 'pending' ? listed([]) : numbers(event.set.backends).join()
}

function listed(members: readonly number[]): string {
  return members.map(key).sort().join()
}
