import type { IncomingHttpHeaders } from 'node:http'
import type { LookupFunction } from 'node:net'
import { cannotBeList } from '../../document/endpoint-list.ts'
import type { HttpSourceSpec } from '../../model/http-source-spec.ts'
import { freshFor, isJson, retryAfter, type Validators, validatorsOf } from './headers.ts'
import { isRedirect, MAX_REDIRECTS, redirectTarget } from './redirect.ts'
import { get, type HttpResponse } from './request.ts'
import { readSecrets, type Secrets } from './secrets.ts'
import { invalid, type Trouble, unreadable } from './trouble.ts'
import { ENCODINGS, unpack } from './unpack.ts'

/** Who asks. */
export interface HttpClient {
  /** `pointsman/1.0.0` */
  readonly userAgent: string
  readonly lookup: LookupFunction
}

/** A list as the server gave it. */
export interface ListContent {
  readonly bytes: Uint8Array
  readonly validators: Validators
}

/** What became of one request. `floor`: milliseconds that the server asks to wait before the next one. */
export type HttpAnswer =
  | { readonly kind: 'list'; readonly content: ListContent; readonly floor: number }
  | { readonly kind: 'trouble'; readonly trouble: Trouble; readonly floor: number }

/**
 * Asks for a list: secrets, redirects, status, content type and encoding. The content is `known` itself where the server says
 * that it is unchanged. Never rejects; the signal ends it with a trouble.
 */
export async function exchange(
  spec: HttpSourceSpec,
  known: ListContent | undefined,
  { userAgent, lookup }: HttpClient,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const secrets = await readSecrets(spec)
  if ('problem' in secrets) return troubled(secrets)
  const headers = { ...requestHeaders(spec, secrets, userAgent), ...known?.validators }
  let url = new URL(spec.url)
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await get(url, { headers, tls: secrets.tls, limit: spec.maxSize, lookup, signal })
    if ('problem' in response) return troubled(response)
    if (!isRedirect(response.status)) return judge(response, spec, known)
    const target = redirectTarget(url, response.headers.location)
    if ('problem' in target) return troubled(target)
    url = target
  }
  return troubled(unreadable(`the server redirects more than ${MAX_REDIRECTS} times`, 'write the last address as the url'))
}

function requestHeaders({ interval }: HttpSourceSpec, { authorization }: Secrets, userAgent: string): Record<string, string> {
  return {
    accept: 'application/json',
    'accept-encoding': ENCODINGS,
    'user-agent': userAgent,
    'x-prometheus-refresh-interval-seconds': String(interval / 1_000),
    ...(authorization !== undefined && { authorization }),
  }
}

async function judge(response: HttpResponse, { maxSize }: HttpSourceSpec, known: ListContent | undefined): Promise<HttpAnswer> {
  const { status, headers, body } = response
  const floor = freshFor(headers)
  // To a request without validators it is a mistake, which would keep an old list for good.
  if (status === 304 && known !== undefined && Object.keys(known.validators).length > 0)
    return { kind: 'list', content: known, floor }
  if (status !== 200) return troubled(statusTrouble(status), retryAfter(headers, Date.now()))
  const type = headers['content-type']
  if (!isJson(type)) return troubled(wrongType(type))
  const bytes = await unpack(body, headers['content-encoding'], maxSize)
  if ('problem' in bytes) return troubled(bytes)
  const misreading = cannotBeList(bytes)
  if (misreading !== undefined) return troubled(invalid(misreading.problem, misreading.remedy))
  return { kind: 'list', content: { bytes, validators: validatorsOf(headers) }, floor }
}

function wrongType(type: IncomingHttpHeaders['content-type']): Trouble {
  const came = type === undefined ? 'no content type' : `content type ${JSON.stringify(type.slice(0, 80))}`
  const page = type?.startsWith('text/html') ? ', as a login page has' : ''
  return invalid(`the answer has ${came}${page}`, 'answer with Content-Type: application/json (charset utf-8)')
}

function statusTrouble(status: number): Trouble {
  const what = `the server answers with status ${status}`
  if (status === 401 || status === 403) return unreadable(what, 'check basic_auth or bearer_token_file and what they permit')
  if (status === 404 || status === 410)
    return unreadable(what, 'correct the url, or create the list; [] says that there is no backend')
  if (status === 204) return unreadable(what, 'answer with status 200 and []')
  if (status === 429) return unreadable(what, 'write a longer interval')
  if (status >= 500) return unreadable(what, 'look into the log of the server')
  return unreadable(what, 'answer with status 200')
}

function troubled(trouble: Trouble, floor = 0): HttpAnswer {
  return { kind: 'trouble', trouble, floor }
}
