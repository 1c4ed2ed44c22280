import { Observable, ReplaySubject, share } from 'rxjs'
import type { ConsulAccess, ConsulSourceSpec } from '../../model/consul-source-spec.ts'
import { ConsulAgents } from './agents.ts'
import { ConsulCluster } from './cluster.ts'
import { follow } from './follow.ts'
import { readHealthEntries } from './health-entry.ts'
import { type ConsulQuery, healthQuery, requestTarget } from './query.ts'
import { type Heard, QueryReader } from './query-reader.ts'
import { consulToken } from './token.ts'
import { ConsulTransport } from './transport.ts'
import { type HealthHeard, Watch } from './watch.ts'

/** Everything that the sources of the process ask of Consul: one set of connections for each set of agents, one watch for each question. */
export class ConsulWatches {
  readonly #clusters = new Map<string, ConsulCluster>()
  readonly #watches = new Map<string, Observable<HealthHeard>>()
  readonly #widening: number | undefined

  /** `widening` as for a ConsulCluster. */
  constructor(widening?: number) {
    this.#widening = widening
  }

  /** Answers and faults, for ever; a question that is asked already is not asked twice. */
  watch(spec: ConsulSourceSpec): Observable<HealthHeard> {
    const { agents, tls, token, tokenFile, consistency, maxStale, wait, maxWatches } = spec
    const question = requestTarget(healthQuery(spec))
    const key = JSON.stringify([agents, tls, token, tokenFile, consistency, maxStale, wait, maxWatches, question])
    const known = this.#watches.get(key)
    if (known !== undefined) return known
    const forget = () => this.#watches.delete(key)
    const watch = this.#open(spec, forget).pipe(share({ connector: () => new ReplaySubject(1) }))
    this.#watches.set(key, watch)
    return watch
  }

  /** Answers to another question and faults, for ever, by a blocking query of its own over the same connections. */
  ask<Content extends object>(
    query: ConsulQuery,
    access: ConsulAccess,
    parse: (json: unknown) => Content | undefined,
  ): Observable<Heard<Content>> {
    return new Observable((subscriber) => {
      const { cluster, release } = this.#cluster(access)
      const reader = new QueryReader({ query, access, token: consulToken(access) }, cluster.transport, parse)
      cluster.openOther(reader, access)
      subscriber.add(follow(reader).subscribe(subscriber))
      subscriber.add(() => {
        cluster.closeOther(reader)
        release()
      })
    })
  }

  #open(spec: ConsulSourceSpec, forget: () => void): Observable<HealthHeard> {
    return new Observable((subscriber) => {
      const { cluster, release } = this.#cluster(spec)
      const token = consulToken(spec)
      const reader = new QueryReader({ query: healthQuery(spec), access: spec, token }, cluster.transport, readHealthEntries)
      const watch = new Watch(spec.service, reader, (heard) => subscriber.next(heard))
      cluster.open(watch, spec, token)
      subscriber.add(() => {
        forget()
        cluster.close(watch)
        release()
      })
    })
  }

  /** The connections to these agents, and how to forget them when nothing is asked over them any more. */
  #cluster({ agents, tls }: ConsulAccess): { readonly cluster: ConsulCluster; readonly release: () => void } {
    const key = JSON.stringify([agents, tls])
    const open = () => new ConsulCluster(new ConsulTransport(new ConsulAgents(agents, tls)), this.#widening)
    const cluster = this.#clusters.get(key) ?? open()
    this.#clusters.set(key, cluster)
    return { cluster, release: () => cluster.size === 0 && this.#clusters.delete(key) }
  }
}
