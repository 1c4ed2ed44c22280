import { describe, expect, it } from 'vitest'
import { healthQuery, requestTarget, scopedQuery, withoutContent } from '../../../../src/sources/consul/query.ts'
import { consulSpec } from './scripted-agent.ts'

const target = (more: Parameters<typeof consulSpec>[1], blocking?: Parameters<typeof requestTarget>[1]) =>
  requestTarget(healthQuery(consulSpec([], more)), blocking)

describe('the question for the instances of a service', () => {
  it('is the bare path where nothing is chosen', () => {
    expect(target({})).toBe('/v1/health/service/web')
  })

  it('names datacenter, namespace, partition, tags, node meta, node and filter', () => {
    expect(
      target({
        datacenter: 'dc2',
        namespace: 'team a',
        partition: 'p1',
        tags: ['prod', 'eu&west'],
        nodeMeta: { rack: 'r1', 'instance-type': 'm:2' },
        near: '_agent',
        filter: 'Service.Meta.v == "2" and "x" in Service.Tags',
      }),
    ).toBe(
      '/v1/health/service/web?dc=dc2&ns=team%20a&partition=p1&tag=prod&tag=eu%26west&node-meta=rack%3Ar1' +
        '&node-meta=instance-type%3Am%3A2&near=_agent&filter=Service.Meta.v%20%3D%3D%20%222%22%20and%20%22x%22%20in%20Service.Tags',
    )
  })

  it('has the consistency as a flag, and none for the default', () => {
    expect(target({ consistency: 'stale' })).toBe('/v1/health/service/web?stale')
    expect(target({ consistency: 'consistent' })).toBe('/v1/health/service/web?consistent')
  })

  it('waits in milliseconds, with the whole index', () => {
    expect(target({ datacenter: 'dc2' }, { index: 2n ** 63n, wait: 1_500 })).toBe(
      '/v1/health/service/web?dc=dc2&index=9223372036854775808&wait=1500ms',
    )
  })

  it('escapes a name that is not a path', () => {
    expect(target({ service: '../kv/secret?x' })).toBe('/v1/health/service/..%2Fkv%2Fsecret%3Fx')
  })

  it('never asks for passing instances only', () => {
    expect(target({ passingOnly: true })).not.toContain('passing')
  })
})

describe('other questions', () => {
  it('are for the same part of the catalog', () => {
    const spec = consulSpec([], { datacenter: 'dc2', namespace: 'a', partition: 'b', consistency: 'stale', tags: ['x'] })
    expect(requestTarget(scopedQuery('/v1/catalog/services', spec))).toBe('/v1/catalog/services?dc=dc2&ns=a&partition=b&stale')
  })

  it('ask for the index alone with a filter that nothing passes', () => {
    const spec = consulSpec([], { filter: 'Service.Port == 80', near: '_agent', tags: ['x'] })
    expect(requestTarget(withoutContent(healthQuery(spec)))).toBe(
      '/v1/health/service/web?tag=x&filter=Service.ID%20%3D%3D%20%22%22',
    )
  })
})
