import { type DnsNetwork, type DnsTrouble, type NameServer, nameServerText } from '../../model/dns-source-spec.ts'
import { steadyScheduler } from '../../steady-scheduler.ts'
import { type Exchange, exchange } from './exchange.ts'
import { Gate } from './gate.ts'
import { interpret, type Verdict } from './interpret.ts'
import type { AddressRecord, DnsMessage, DnsRecord, Question, SrvRecord } from './message.ts'
import { candidates, ResolvConfFile } from './resolv-conf.ts'

type AnswerTrouble = Exclude<DnsTrouble, 'no_service'>

/** What the DNS says to a question, after every server, every alias and every domain of the search list. */
export type Answer =
  | {
      readonly ok: true
      readonly records: readonly (AddressRecord | SrvRecord)[]
      /** Addresses that came along unasked. */
      readonly additionals: readonly AddressRecord[]
      /** Milliseconds. */
      readonly ttl: number
      /** False where records may be missing: only additions can be believed. */
      readonly complete: boolean
      /** Milliseconds since the epoch. */
      readonly at: number
    }
  | { readonly ok: false; readonly trouble: AnswerTrouble; readonly message: string; readonly at: number }

/** How often a server that is silent is asked: a datagram may be lost. */
const ATTEMPTS = 2

/** Names that one question may be led through. */
const MAX_ALIASES = 8

/** Exchanges of the whole process at one time. */
const AT_ONCE = 256

export interface ResolverOptions {
  readonly exchange?: Exchange
  readonly resolvConf?: Pick<ResolvConfFile, 'read'>
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** Asks servers until one answers. The one that answered last is asked first the next time. */
export class Resolver {
  readonly #exchange: Exchange
  readonly #resolvConf: Pick<ResolvConfFile, 'read'>
  readonly #now: () => number
  readonly #gate = new Gate(AT_ONCE)
  /** The server that answered last, by the list that it is in. */
  readonly #preferred = new Map<string, NameServer>()

  constructor(options: ResolverOptions = {}) {
    this.#exchange = options.exchange ?? exchange
    this.#resolvConf = options.resolvConf ?? new ResolvConfFile()
    this.#now = options.now ?? steadyScheduler.now
  }

  /** Never rejects. A name with a dot at the end is looked for in no other domain. */
  async resolve(question: Question, network: DnsNetwork, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#search(question, network, signal)
    } catch (error) {
      return this.#failed('servfail', `${question.name}: the question cannot be asked (${(error as Error).message})`)
    }
  }

  async #search({ name, type }: Question, network: DnsNetwork, signal: AbortSignal): Promise<Answer> {
    const conf = network.servers === undefined ? await this.#resolvConf.read() : undefined
    const servers = network.servers ?? conf?.servers ?? []
    if (servers.length === 0)
      return this.#failed('servfail', 'there is no name server; write servers: or one in /etc/resolv.conf')
    let nothing: Answer | undefined
    for (const candidate of candidates(name, network.search ?? conf?.search ?? [], conf?.ndots ?? 1)) {
      const answer = await this.#follow({ name: candidate, type }, servers, network, signal)
      // Trouble ends the search: another domain's records must not stand in for those that cannot be had.
      if (answer.ok || (answer.trouble !== 'nxdomain' && answer.trouble !== 'nodata')) return answer
      if (nothing === undefined || (!nothing.ok && nothing.trouble === 'nxdomain')) nothing = answer
    }
    return nothing ?? this.#failed('nxdomain', `${name}: there is no such name`)
  }

  async #follow(asked: Question, servers: readonly NameServer[], network: DnsNetwork, signal: AbortSignal): Promise<Answer> {
    let question = asked
    let ttl = Number.POSITIVE_INFINITY
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
      const said = await this.#ask(question, servers, network, signal)
      if (said.kind === 'refusal') return this.#failed(said.trouble, `${question.name}: ${said.what}`)
      const { verdict, message, partial } = said
      if (verdict.kind === 'records') {
        return {
          ok: true,
          records: verdict.records,
          additionals: message.additionals.filter(isAddress),
          ttl: Math.min(ttl, verdict.ttl) * 1_000,
          complete: !partial,
          at: this.#now(),
        }
      }
      if (verdict.kind === 'nxdomain') return this.#failed('nxdomain', `${question.name}: there is no such name (NXDOMAIN)`)
      if (verdict.kind === 'nodata') return this.#failed('nodata', `${question.name}: the name has no ${question.type} records`)
      question = { ...question, name: verdict.name }
      ttl = Math.min(ttl, verdict.ttl)
    }
    return this.#failed('servfail', `${asked.name}: leads through more than ${MAX_ALIASES} other names`)
  }

  async #ask(
    question: Question,
    servers: readonly NameServer[],
    network: DnsNetwork,
    signal: AbortSignal,
  ): Promise<Said | Refusal> {
    const list = servers.map(nameServerText).join()
    const preferred = this.#preferred.get(list)
    const refusals = new Map<NameServer, Refusal>()
    let round = servers.toSorted((a, b) => Number(b === preferred) - Number(a === preferred))
    for (let attempt = 0; attempt < ATTEMPTS && round.length > 0; attempt++) {
      const silent: NameServer[] = []
      for (const server of round) {
        if (signal.aborted) break
        const said = await this.#askOne(question, server, network, signal)
        if (said.kind === 'verdict') {
          this.#preferred.set(list, server)
          return said
        }
        refusals.set(server, said)
        if (said.silent) silent.push(server)
      }
      round = silent
    }
    return refusedByAll(servers, refusals)
  }

  async #askOne(question: Question, server: NameServer, network: DnsNetwork, signal: AbortSignal): Promise<Said | Refusal> {
    const tcpOnly = network.transport === 'tcp' || isConsul(server, question)
    const { timeout } = network
    const said = await this.#gate.run(() => this.#exchange(server, question, { tcpOnly, timeout, signal }))
    if (!said.ok) return { kind: 'refusal', trouble: said.trouble, what: said.what, silent: said.silent }
    const { message, partial } = said
    const verdict = interpret(message, question)
    if (verdict.kind === 'elsewhere') return { kind: 'refusal', trouble: verdict.trouble, what: verdict.what, silent: false }
    return { kind: 'verdict', verdict, message, partial }
  }

  #failed(trouble: AnswerTrouble, message: string): Answer {
    return { ok: false, trouble, message, at: this.#now() }
  }
}

/** A server that has a word about the question. */
interface Said {
  readonly kind: 'verdict'
  readonly verdict: Exclude<Verdict, { kind: 'elsewhere' }>
  readonly message: DnsMessage
  readonly partial: boolean
}

/** A server that has none. */
interface Refusal {
  readonly kind: 'refusal'
  readonly trouble: 'servfail' | 'refused' | 'timeout'
  readonly what: string
  readonly silent: boolean
}

/** One trouble for all; a word is worth more than silence. In the order of the configuration, so that the text stays the same. */
function refusedByAll(servers: readonly NameServer[], refusals: ReadonlyMap<NameServer, Refusal>): Refusal {
  const said = servers.flatMap((server) => {
    const refusal = refusals.get(server)
    return refusal === undefined ? [] : [{ refusal, text: `${nameServerText(server)} ${refusal.what}` }]
  })
  const troubles = said.map(({ refusal }) => refusal.trouble)
  const trouble = (['servfail', 'refused'] as const).find((one) => troubles.includes(one)) ?? 'timeout'
  return { kind: 'refusal', trouble, what: said.map(({ text }) => text).join('; '), silent: false }
}

/**
 * Consul answers UDP with as many records as it likes, others each time, and does not always say so with TC. Its port and
 * its domain give it away.
 */
function isConsul({ port }: NameServer, { name }: Question): boolean {
  return port === 8600 || name === 'consul' || name.endsWith('.consul')
}

function isAddress(record: DnsRecord): record is AddressRecord {
  return record.type === 'A' || record.type === 'AAAA'
}
