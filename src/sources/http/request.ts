import { type IncomingHttpHeaders, type IncomingMessage, request as plainRequest } from 'node:http'
import { type RequestOptions, request as tlsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { urlToHttpOptions } from 'node:url'
import { connectionTrouble, type Trouble, unreadable } from './trouble.ts'
import { tooLarge } from './unpack.ts'

export interface HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** As it was sent, still encoded; empty where the status is not 200, for then nobody reads it. */
  readonly body: Uint8Array
}

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>
  /** Largest body in bytes. */
  readonly limit: number
  readonly lookup: LookupFunction
  readonly signal: AbortSignal
}

/**
 * One GET over a connection of its own: at one request in many seconds a kept connection saves little, and is dead when
 * it is needed. No proxy is used, whatever the environment says. Never rejects; the signal ends it with a trouble.
 */
export function get(url: URL, { headers, tls, limit, lookup, signal }: GetOptions): Promise<HttpResponse | Trouble> {
  return new Promise((resolve) => {
    const failed = (error: unknown) => resolve(connectionTrouble(error))
    const answered = (response: IncomingMessage) => {
      const { statusCode: status = 0, headers: answer } = response
      const end = (body: Uint8Array | Trouble) => {
        resolve('problem' in body ? body : { status, headers: answer, body })
        response.destroy()
      }
      if (status === 200) readBody(response, limit, end)
      else end(new Uint8Array())
    }
    try {
      const options = { ...placeOf(url), headers, lookup, signal, agent: false }
      const request = url.protocol === 'https:' ? tlsRequest({ ...options, ...tls }) : plainRequest(options)
      request.on('response', answered).on('error', failed).end()
    } catch (error) {
      // A certificate or key that OpenSSL does not take is thrown at once.
      failed(error)
    }
  })
}

/** `http+unix://%2Frun%2Finventory.sock/web.json` stands for a socket, and a path behind it. */
function placeOf(url: URL): RequestOptions {
  if (url.protocol !== 'http+unix:') return urlToHttpOptions(url)
  return { socketPath: decodeURIComponent(url.hostname), path: `${url.pathname || '/'}${url.search}`, host: 'localhost' }
}

function readBody(response: IncomingMessage, limit: number, end: (body: Uint8Array | Trouble) => void): void {
  if (Number(response.headers['content-length'] ?? 0) > limit) {
    end(tooLarge(limit, ''))
    return
  }
  const chunks: Uint8Array[] = []
  let size = 0
  response.on('data', (chunk: Uint8Array) => {
    size += chunk.length
    chunks.push(chunk)
    if (size > limit) end(tooLarge(limit, ''))
  })
  response.on('error', () => end(unreadable('the answer broke off in the middle', 'look into the log of the server')))
  response.on('end', () => end(Buffer.concat(chunks)))
}
