import type { ServerResponse } from 'node:http'
import { Pace } from './pace.ts'
import { pacedJson } from './paced-json.ts'
import { type StatusDelta, statusDelta } from './status-delta.ts'
import type { StatusReport } from './status-schema.ts'

/** Clients of the event stream at a time. */
export const MAXIMUM_CLIENTS = 16

/** Milliseconds between two looks at the least, for all who look together. */
const INTERVAL = 1_000

/** How many times as long as a look and the telling of it take there is rest after it: they get a tenth of the time. */
const REST = 9

/** Milliseconds of rest at the most. */
const LONGEST_REST = 10_000

/** Milliseconds after which a client that reads nothing loses its connection. */
const PATIENCE = 10_000

/** Bytes that are handed over at a time: each that is taken is a sign of life, from slow readers of large reports too. */
const SLICE = 65_536

/** Milliseconds of silence after which a client hears that the stream lives. */
const HEARTBEAT = 5_000

/** Milliseconds after the last question at which what was seen is forgotten. */
const MEMORY = 10_000

interface Look {
  readonly report: StatusReport
  /** Rises with every look. */
  readonly revision: number
}

/** What a client of the stream has. */
interface Client {
  readonly response: ServerResponse
  /** Of the report that it knows; undefined: it knows none. */
  revision: number | undefined
  /** What is left of the last message. */
  rest: Buffer
  /** Moment since which it is seen to take nothing; undefined: it took something since. */
  fullSince: number | undefined
  heardAt: number
}

export interface FeedOptions {
  /** How everything stands now. It rejects by a defect alone. */
  readonly collect: () => Promise<StatusReport>
  /** Nobody looks any more. */
  readonly forget?: () => void
  /** Milliseconds of a clock that never jumps. */
  readonly clock?: () => number
  /** Milliseconds between two looks at the least. */
  readonly interval?: number
  /** Milliseconds after which a client that reads nothing loses its connection. */
  readonly patience?: number
  /** Told how many clients the stream has. */
  readonly onClients?: (count: number) => void
}

/**
 * How everything stands, looked at once for all who want to know, and not at all while nobody does. Who follows it is told the
 * whole once, and then what became different. A client that does not take what it is given is passed over and told the whole
 * again later, so that one message at the most waits for it; all share its bytes.
 */
export class StatusFeed implements Disposable {
  readonly #options: FeedOptions
  readonly #clock: () => number
  readonly #clients = new Set<Client>()
  #revision = 0
  #last: Look | undefined
  #looking: Promise<Look> | undefined
  /** Moment up to which the last look serves. */
  #until = 0
  /** What clients that are not behind know. */
  #told: Look | undefined
  #whole: { readonly look: Look; readonly revision: number; readonly text: Promise<Buffer> } | undefined
  /** Of the last look; made once for all who ask. */
  #json: { readonly look: Look; readonly text: Promise<string> } | undefined
  #timer: NodeJS.Timeout | undefined
  #ticking = false
  #forgetting: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: FeedOptions) {
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
  }

  /** How many follow. */
  get clients(): number {
    return this.#clients.size
  }

  /** The newest report as JSON, a second old at the most where looking is cheap. Rejects by a defect alone. */
  async json(): Promise<string> {
    const look = await this.#look()
    if (this.#json?.look !== look) {
      this.#json = { look, text: pacedJson({ revision: look.revision, ...look.report }, new Pace()) }
    }
    return this.#json.text
  }

  async report(): Promise<StatusReport & { readonly revision: number }> {
    const { report, revision } = await this.#look()
    return { revision, ...report }
  }

  /** Begins to tell a client; false: there are too many. */
  follow(response: ServerResponse): boolean {
    if (this.#closed || this.#clients.size >= MAXIMUM_CLIENTS) return false
    const client: Client = { response, revision: undefined, rest: NOTHING, fullSince: undefined, heardAt: this.#clock() }
    this.#clients.add(client)
    this.#options.onClients?.(this.#clients.size)
    response.on('close', () => {
      this.#clients.delete(client)
      this.#options.onClients?.(this.#clients.size)
    })
    response.on('drain', () => {
      client.fullSince = undefined
      push(client)
    })
    // Whose connection breaks has the end of it told by `close`.
    response.on('error', () => {})
    if (!this.#ticking) this.#schedule(0)
    return true
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#forgetting)
    for (const { response } of this.#clients) response.destroy()
  }

  #schedule(after: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tick(), after).unref()
  }

  async #tick(): Promise<void> {
    this.#ticking = true
    const began = this.#clock()
    try {
      await this.#tell(await this.#look())
    } catch {
      // A defect of one look: who follows sees no news, and the next look may succeed.
    }
    this.#ticking = false
    if (this.#clients.size === 0 || this.#closed) return
    const spent = this.#clock() - began
    this.#schedule(Math.max(this.#until - this.#clock(), Math.min(spent * REST, LONGEST_REST), 0))
  }

  /** One look serves all who ask while it is made and for the interval after it. */
  #look(): Promise<Look> {
    if (this.#looking !== undefined) return this.#looking
    if (this.#last !== undefined && this.#clock() < this.#until) return Promise.resolve(this.#last)
    const { collect, interval = INTERVAL } = this.#options
    const began = this.#clock()
    clearTimeout(this.#forgetting)
    const looking = collect().then((report) => {
      this.#revision += 1
      this.#last = { report, revision: this.#revision }
      return this.#last
    })
    const ended = (): void => {
      this.#looking = undefined
      const now = this.#clock()
      this.#until = Math.max(began + interval, now + Math.min((now - began) * REST, LONGEST_REST))
      if (!this.#closed) this.#forgetting = setTimeout(() => this.#forget(), MEMORY + LONGEST_REST).unref()
    }
    this.#looking = looking
    looking.then(ended, ended)
    return looking
  }

  /** A large report need not be kept for nobody. */
  #forget(): void {
    this.#last = undefined
    this.#told = undefined
    this.#whole = undefined
    this.#json = undefined
    this.#options.forget?.()
  }

  async #tell(now: Look): Promise<void> {
    const before = this.#told
    const delta = before === undefined || before === now ? undefined : await statusDelta(before.report, now.report, new Pace())
    // Where only time has passed, clients know it all by the number that they have.
    if (before === undefined || delta !== undefined) this.#told = now
    const revision = this.#told?.revision ?? now.revision
    let news: Buffer | undefined
    for (const client of this.#clients) {
      if (this.#isFull(client)) continue
      if (client.revision === revision) this.#beat(client)
      else if (delta !== undefined && before !== undefined && client.revision === before.revision) {
        news ??= await deltaEvent(before, now, delta)
        this.#send(client, news, revision)
      } else this.#send(client, await this.#wholeOf(now, revision), revision)
    }
  }

  /** Whoever has not taken the last message gets no other, and is told the whole when it has. */
  #isFull(client: Client): boolean {
    if (client.rest.length === 0 && !client.response.writableNeedDrain) {
      client.fullSince = undefined
      return false
    }
    const now = this.#clock()
    client.fullSince ??= now
    client.revision = undefined
    if (now - client.fullSince >= (this.#options.patience ?? PATIENCE)) client.response.destroy()
    return true
  }

  #wholeOf(look: Look, revision: number): Promise<Buffer> {
    if (this.#whole?.look !== look || this.#whole.revision !== revision) {
      this.#whole = { look, revision, text: eventOf('status', { revision, ...look.report }) }
    }
    return this.#whole.text
  }

  #beat(client: Client): void {
    if (this.#clock() - client.heardAt >= HEARTBEAT) this.#send(client, ALIVE, client.revision)
  }

  #send(client: Client, message: Buffer, revision: number | undefined): void {
    client.revision = revision
    client.heardAt = this.#clock()
    client.rest = message
    push(client)
  }
}

const NOTHING = Buffer.alloc(0)

/** Hands over as much as is taken at once. */
function push(client: Client): void {
  while (client.rest.length > 0) {
    const slice = client.rest.subarray(0, SLICE)
    client.rest = client.rest.length > SLICE ? client.rest.subarray(SLICE) : NOTHING
    if (!client.response.write(slice)) return
  }
}

/** Nothing is told, and whoever listens hears it: EventSource keeps comments to itself. */
const ALIVE = Buffer.from('event: alive\ndata: {}\n\n')

function deltaEvent(before: Look, now: Look, delta: StatusDelta): Promise<Buffer> {
  return eventOf('delta', { from: before.revision, revision: now.revision, at: now.report.at, ...delta })
}

/** JSON has no line breaks of its own, so that it is one line of the event. */
async function eventOf(event: string, data: object): Promise<Buffer> {
  return Buffer.from(`event: ${event}\ndata: ${await pacedJson(data, new Pace())}\n\n`)
}
