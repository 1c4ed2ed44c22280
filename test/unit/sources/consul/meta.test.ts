import { describe, expect, it } from 'vitest'
import { leaderIsUnknowable, readMeta, trustOf } from '../../../../src/sources/consul/meta.ts'

const asked = { consistency: 'default', maxStale: 10_000 } as const

/** As Consul 1.8.7 was seen to send them; node writes names in lower case. */
const recorded = {
  leader: {
    'content-type': 'application/json',
    'x-consul-effective-consistency': 'leader',
    'x-consul-index': '10014',
    'x-consul-knownleader': 'true',
    'x-consul-lastcontact': '0',
  },
  lost: {
    'content-type': 'application/json',
    'x-consul-effective-consistency': 'stale',
    'x-consul-index': '31',
    'x-consul-knownleader': 'false',
    'x-consul-lastcontact': '4812',
  },
  /** As issue 9776 of Consul and its source describe them: a blocking query in 1.10. */
  streamed: {
    'content-type': 'application/json',
    'x-consul-index': '31',
    'x-consul-knownleader': 'false',
    'x-consul-lastcontact': '0',
    'x-consul-query-backend': 'streaming',
  },
}

describe('what the headers of an answer say', () => {
  it('reads those of a leader', () => {
    expect(readMeta(recorded.leader)).toEqual({
      index: 10014n,
      knownLeader: true,
      lastContact: 0,
      consistency: 'leader',
      streamed: false,
      filtered: false,
    })
  })

  it('takes what cannot be read for unsaid', () => {
    expect(readMeta({ 'x-consul-index': 'twelve', 'x-consul-knownleader': 'perhaps', 'x-consul-lastcontact': '' })).toEqual({
      index: undefined,
      knownLeader: undefined,
      lastContact: undefined,
      consistency: undefined,
      streamed: false,
      filtered: false,
    })
  })

  it('reads an index beyond 53 bits exactly', () => {
    expect(readMeta({ 'x-consul-index': '18446744073709551615' }).index).toBe(2n ** 64n - 1n)
  })
})

describe('how far an answer is believed', () => {
  const trust = (headers: Parameters<typeof readMeta>[0], how: Partial<Parameters<typeof trustOf>[1]> = {}) =>
    trustOf(readMeta(headers), { ...asked, ...how })

  it('is fresh from a server that knows the leader', () => {
    expect(trust(recorded.leader)).toBe('fresh')
  })

  it('is leaderless without a known leader, also where nothing is said of one', () => {
    expect(trust(recorded.lost)).toBe('leaderless')
    expect(trust({ 'x-consul-index': '5' })).toBe('leaderless')
  })

  it('is stale when the last contact is longer ago than max_stale', () => {
    const headers = { ...recorded.leader, 'x-consul-effective-consistency': 'stale', 'x-consul-lastcontact': '2001' }
    expect(trust(headers, { consistency: 'stale', maxStale: 2_000 })).toBe('stale')
    expect(trust(headers, { consistency: 'stale', maxStale: 2_001 })).toBe('fresh')
  })

  it('is stale when consistent was asked for and something less was given', () => {
    expect(trust({ ...recorded.leader, 'x-consul-effective-consistency': 'stale' }, { consistency: 'consistent' })).toBe('stale')
    expect(trust({ ...recorded.leader, 'x-consul-effective-consistency': 'consistent' }, { consistency: 'consistent' })).toBe(
      'fresh',
    )
  })

  it('is truncated when the token may not see everything', () => {
    expect(trust({ ...recorded.leader, 'x-consul-results-filtered-by-acls': 'true' })).toBe('truncated')
  })

  it('knows that a streamed answer does not tell of the leader', () => {
    expect(leaderIsUnknowable(readMeta(recorded.streamed))).toBe(true)
    expect(leaderIsUnknowable(readMeta({ ...recorded.streamed, 'x-consul-knownleader': 'true' }))).toBe(false)
    expect(leaderIsUnknowable(readMeta(recorded.lost))).toBe(false)
  })
})
