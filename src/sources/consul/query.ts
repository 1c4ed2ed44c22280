import type { ConsulAccess, ConsulSourceSpec } from '../../model/consul-source-spec.ts'

/** What is asked, apart from index and wait. A parameter without a value is a flag, such as `stale`. */
export interface ConsulQuery {
  readonly path: string
  readonly parameters: readonly (readonly [name: string, value?: string])[]
}

/**
 * Every instance of a service with its checks (https://developer.hashicorp.com/consul/api-docs/health#list-service-instances-for-service).
 * `passing` is never among the parameters: what fails is to be known, not absent.
 */
export function healthQuery(spec: ConsulSourceSpec): ConsulQuery {
  const { service, tags, nodeMeta, near, filter } = spec
  return {
    path: `/v1/health/service/${encodeURIComponent(service)}`,
    parameters: [
      ...scopeParameters(spec),
      ...tags.map((tag) => ['tag', tag] as const),
      ...Object.entries(nodeMeta).map(([key, value]) => ['node-meta', `${key}:${value}`] as const),
      ...(near === undefined ? [] : [['near', near] as const]),
      ...(filter === undefined ? [] : [['filter', filter] as const]),
    ],
  }
}

/** A query for the same part of the catalog. */
export function scopedQuery(path: string, access: ConsulAccess, filter?: string): ConsulQuery {
  const narrowed = filter === undefined ? [] : [['filter', filter] as const]
  return { path, parameters: [...scopeParameters(access), ...narrowed] }
}

/** The same question with nothing in its answer but the index. */
export function withoutContent({ path, parameters }: ConsulQuery): ConsulQuery {
  const rest = parameters.filter(([name]) => name !== 'filter' && name !== 'near')
  return { path, parameters: [...rest, ['filter', 'Service.ID == ""']] }
}

/** The same question to a leader that has asked its followers and has caught up with its own log. */
export function confirming({ path, parameters }: ConsulQuery): ConsulQuery {
  return { path, parameters: [...parameters.filter(([name]) => name !== 'consistent'), ['consistent']] }
}

/** Path and query as they stand in the request; with an index the agent waits for a higher one. */
export function requestTarget({ path, parameters }: ConsulQuery, blocking?: { index: bigint; wait: number }): string {
  const all = [
    ...parameters,
    ...(blocking === undefined ? [] : [['index', String(blocking.index)] as const, ['wait', `${blocking.wait}ms`] as const]),
  ]
  const text = all.map(([name, value]) => (value === undefined ? name : `${name}=${encodeURIComponent(value)}`)).join('&')
  return text === '' ? path : `${path}?${text}`
}

function scopeParameters({ datacenter, namespace, partition, consistency }: ConsulAccess): ConsulQuery['parameters'] {
  return [
    ...(datacenter === undefined ? [] : [['dc', datacenter] as const]),
    ...(namespace === undefined ? [] : [['ns', namespace] as const]),
    ...(partition === undefined ? [] : [['partition', partition] as const]),
    ...(consistency === 'default' ? [] : [[consistency] as const]),
  ]
}
