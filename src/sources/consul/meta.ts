import type { IncomingHttpHeaders } from 'node:http'
import type { BackendSet } from '../../model/backend.ts'
import type { ConsulConsistency } from '../../model/consul-source-spec.ts'

/** What the headers of an answer say of it; undefined where they say nothing that can be read. */
export interface ConsulMeta {
  /** Raft index, beyond 53 bits on old clusters perhaps: never a number. */
  readonly index: bigint | undefined
  readonly knownLeader: boolean | undefined
  /** Milliseconds since the server heard from the leader. */
  readonly lastContact: number | undefined
  /** `leader`, `consistent` or `stale`. */
  readonly consistency: string | undefined
  /** Given by the agent's own copy that a stream of events keeps (Consul 1.10 and later), not by a server. */
  readonly streamed: boolean
  /** The token may not see everything that was asked for (Consul 1.11 and later). */
  readonly filtered: boolean
}

/** https://developer.hashicorp.com/consul/api-docs/features/consistency and .../features/blocking */
export function readMeta(headers: IncomingHttpHeaders): ConsulMeta {
  return {
    index: digits(headers, 'x-consul-index'),
    knownLeader: truth(one(headers, 'x-consul-knownleader')),
    lastContact: milliseconds(digits(headers, 'x-consul-lastcontact')),
    consistency: one(headers, 'x-consul-effective-consistency'),
    streamed: one(headers, 'x-consul-query-backend') === 'streaming',
    filtered: truth(one(headers, 'x-consul-results-filtered-by-acls')) ?? false,
  }
}

/** How far an answer may be believed, as far as its headers tell. */
export function trustOf(
  { knownLeader, lastContact, consistency, filtered }: ConsulMeta,
  asked: { readonly consistency: ConsulConsistency; readonly maxStale: number },
): BackendSet['trust'] {
  if (knownLeader !== true) return 'leaderless'
  if (lastContact !== undefined && lastContact > asked.maxStale) return 'stale'
  if (asked.consistency === 'consistent' && consistency !== undefined && consistency !== 'consistent') return 'stale'
  return filtered ? 'truncated' : 'fresh'
}

/**
 * Streamed answers do not carry the leader: Consul 1.10 to 1.13 at least says `false` although there is one
 * (https://github.com/hashicorp/consul/issues/9776). Only a question without index, which a server answers, tells.
 */
export function leaderIsUnknowable({ streamed, knownLeader }: ConsulMeta): boolean {
  return streamed && knownLeader !== true
}

function one(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value.trim().toLowerCase() : undefined
}

function digits(headers: IncomingHttpHeaders, name: string): bigint | undefined {
  const text = one(headers, name)
  return text !== undefined && /^-?\d{1,20}$/.test(text) ? BigInt(text) : undefined
}

function truth(text: string | undefined): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined
}

function milliseconds(count: bigint | undefined): number | undefined {
  return count === undefined ? undefined : Number(count)
}
