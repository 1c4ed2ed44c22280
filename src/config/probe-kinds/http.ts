import { isIP } from 'node:net'
import type { z } from 'zod'
import { accepted, type Grammar, type Reading, refused } from '../../document/reading.ts'
import { derived, mapping, optional, section } from '../../document/schema.ts'
import { choice, line, secretLine } from '../../document/values/choice.ts'
import { integer } from '../../document/values/integer.ts'
import { textMatch } from '../../document/values/text-match.ts'
import type { HttpProbeSpec, ProbeTls } from '../../model/probe-spec.ts'
import { headers, hostHeader, httpPath, httpVersion, proxiedUrl, proxyAddress, statusRanges } from './http-values.ts'
import { probeKind } from './probe-kind.ts'
import { probeTlsSchema, toProbeTls } from './tls-section.ts'

const identityKeys = mapping(
  {
    header: optional(line('the name of a header', 256), 'Header of the answer.'),
    value: optional(secretLine('the value of that header', 2000), 'What it must say.'),
  },
  'What tells a backend from another one that got its address.',
  { required: ['header', 'value'] },
)

const proxyKeys = mapping(
  {
    through: optional(proxyAddress, 'Proxy between us and the backend.'),
    url: optional(proxiedUrl, 'What the backend, which is a proxy itself, is asked for.'),
  },
  'A proxy: one on the way, or the backend itself.',
)

const redirects: Grammar<HttpProbeSpec['redirects']> = {
  jsonSchema: { anyOf: [{ enum: ['accept'] }, { type: 'integer', minimum: 1, maximum: 10 }] },
  read(raw) {
    if (raw === 'accept') return accepted(raw)
    const most = integer('a number of redirects', 1, 10).read(raw)
    return most.ok
      ? accepted({ most: most.value })
      : refused(most.problem, 'write accept, or how many redirects are followed, 1 to 10')
  },
}

const httpKeys = mapping(
  {
    tls: probeTlsSchema.optional(),
    version: optional(httpVersion, 'Version of HTTP: 1.1 (by default) or 2, without TLS by prior knowledge.'),
    method: optional(choice(['GET', 'HEAD', 'OPTIONS', 'POST']), 'GET by default.'),
    path: optional(httpPath, 'Path that is asked for, with its query; / by default.'),
    host: optional(hostHeader, "Host header; the backend's address and port by default. Also the server_name of tls."),
    headers: optional(headers, 'More headers of the request.'),
    status: optional(statusRanges, 'Statuses that pass: 200, 200-299 or a list of such; 200 by default.'),
    body: optional(textMatch(), 'What the answer must contain within its first 64 KiB.'),
    identity: section(
      derived(identityKeys, ({ header, value }): Reading<HttpProbeSpec['identity']> => {
        if (header === undefined || value === undefined)
          return refused('identity needs a header and its value', 'write { header: X-Instance, value: web-1 }')
        return accepted({ header: header.toLowerCase(), value })
      }),
    ).optional(),
    redirects: optional(
      redirects,
      'accept (by default) judges a redirect by its status; a number follows as many, on this backend.',
    ),
    proxy: section(proxyKeys).optional(),
  },
  'A request over HTTP or HTTPS.',
)

type WrittenHttp = z.output<typeof httpKeys>

export const httpKind = probeKind({
  schema: section(httpKeys),
  example: 'http: { path: /healthz, status: [200-299] }',
  toSpec(written: WrittenHttp, directory) {
    const { version = '1.1', method = 'GET', body, identity } = written
    if (method === 'HEAD' && body !== undefined)
      return refused('an answer to HEAD has no body', 'write method: GET, or remove body')
    const proxy = toProxy(written)
    if (!proxy.ok) return proxy
    const url = proxy.value !== undefined && 'url' in proxy.value ? new URL(proxy.value.url) : undefined
    const tls = toTls(written, url, directory)
    if (!tls.ok) return tls
    if (version === '2' && proxy.value !== undefined && tls.value === undefined)
      return refused('a proxy is not asked over HTTP/2', 'write version: 1.1, or tls: {}')
    const host = url?.host ?? written.host
    const spec: HttpProbeSpec = {
      kind: 'http',
      ...(tls.value !== undefined && { tls: tls.value }),
      version,
      method,
      path: url === undefined ? (written.path ?? '/') : `${url.pathname}${url.search}`,
      ...(host !== undefined && { host }),
      headers: written.headers ?? {},
      status: written.status ?? [{ from: 200, to: 200 }],
      ...(body !== undefined && { body }),
      ...(identity !== undefined && { identity }),
      redirects: written.redirects ?? 'accept',
      ...(proxy.value !== undefined && { proxy: proxy.value }),
    }
    return accepted(spec)
  },
})

function toProxy({ proxy, path, host }: WrittenHttp): Reading<HttpProbeSpec['proxy']> {
  if (proxy === undefined) return accepted(undefined)
  const { through, url } = proxy
  if (through !== undefined && url !== undefined)
    return refused('the proxy is both on the way and the backend itself', 'keep one of through and url')
  if (through !== undefined) return accepted({ through })
  if (url === undefined)
    return refused('the proxy is neither on the way nor the backend itself', 'write through: http://10.0.0.5:3128, or url:')
  if (path !== undefined || host !== undefined)
    return refused(`proxy url says already what is asked for`, `remove ${path === undefined ? 'host' : 'path'}`)
  return accepted({ url })
}

/** What is asked for decides the name, where none is written. */
function toTls({ tls, host }: WrittenHttp, url: URL | undefined, directory: string): Reading<ProbeTls | undefined> {
  if (url?.protocol === 'http:' && tls !== undefined)
    return refused('tls has no meaning for an http:// url', 'write https://, or remove tls')
  if (tls === undefined && url?.protocol !== 'https:') return accepted(undefined)
  const reading = toProbeTls(tls ?? {}, directory)
  if (!reading.ok) return reading
  const name = (url?.host ?? host ?? '').replace(/:\d+$/, '')
  const isName = name !== '' && isIP(name.replace(/^\[|\]$/g, '')) === 0
  return accepted(isName ? { serverName: name, ...reading.value } : reading.value)
}
