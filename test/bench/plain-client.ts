/** A client of Consul that does nothing but ask: HTTP/1.1 over a kept connection, and the answer parsed. */

import { Agent, type IncomingMessage, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'

export interface PlainAnswer {
  readonly index: number
  readonly json: unknown
}

export class PlainClient implements Disposable {
  readonly #url: string
  readonly #agent: Agent

  /** For https, `ca` is the PEM of the authority and `servername` the name in the server's certificate. */
  constructor(url: string, tls: { readonly ca: string; readonly servername: string } | undefined = undefined) {
    this.#url = url
    this.#agent = url.startsWith('https:') ? new TlsAgent({ keepAlive: true, ...tls }) : new Agent({ keepAlive: true })
  }

  /** Throws when the status is not 200. */
  ask(method: string, path: string, body?: unknown): Promise<PlainAnswer> {
    const url = this.#url + path
    const open = url.startsWith('https:') ? tlsRequest : request
    return new Promise((resolve, reject) => {
      const asked = open(url, { method, agent: this.#agent }, (answer) => {
        readAnswer(answer)
          .then((text) => {
            if (answer.statusCode !== 200) throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`)
            resolve({ index: Number(answer.headers['x-consul-index']), json: text === '' ? undefined : JSON.parse(text) })
          })
          .catch(reject)
      })
      asked.on('error', reject)
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

async function readAnswer(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}
