/** One HTTP request of a test, on a connection of its own. */

import { type IncomingHttpHeaders, request } from 'node:http'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface HttpCall {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Milliseconds without a byte until it is given up; 10,000 when left out. */
  readonly timeout?: number
}

export function httpCall(url: string, call: HttpCall = {}): Promise<HttpAnswer> {
  return perform({}, url, call)
}

/** The same over a unix socket: `path` is that of the request. */
export function httpCallOverSocket(socketPath: string, path: string, call: HttpCall = {}): Promise<HttpAnswer> {
  return perform({ socketPath }, `http://localhost${path}`, call)
}

function perform(
  where: { readonly socketPath?: string },
  url: string,
  { method = 'GET', headers = {}, body, timeout = 10_000 }: HttpCall,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...where, method, headers, agent: false, timeout }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }))
      answer.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${url}: no answer within ${timeout} ms`)))
    asked.on('error', reject)
    asked.end(body)
  })
}
