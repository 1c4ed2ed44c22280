import type { Socket } from 'node:net'
import type { Connection } from './connection.ts'
import type { HttpAnswer } from './http-answer.ts'
import type { HttpQuestion } from './http-question.ts'
import { Http1Reader } from './http1-reader.ts'
import { requestHttp2 } from './http2-request.ts'
import type { PlainConnection, PlainListener } from './plain-connection.ts'

/** Over a connection that ends with it: no keep-alive. */
export function askHttp1(connection: Connection, socket: Socket, question: HttpQuestion, answer: HttpAnswer): void {
  const listener = new Http1Listener(connection, question.method, answer)
  socket.on('data', (chunk) => listener.hear(chunk))
  socket.once('end', () => listener.ended())
  socket.write(requestBytes(question))
}

/** The same without TLS and without anybody on the way. */
export function askPlainly(connection: PlainConnection, { method, bytes }: PlainRequest, answer: HttpAnswer): void {
  connection.listener = new Http1Listener(connection, method, answer)
  connection.send(bytes)
}

export interface PlainRequest {
  readonly method: string
  /** All of it, as it is sent. */
  readonly bytes: Uint8Array
}

class Http1Listener implements PlainListener {
  readonly #connection: Pick<Connection, 'fail'>
  readonly #reader: Http1Reader
  #hasBegun = false

  constructor(connection: Pick<Connection, 'fail'>, method: string, answer: HttpAnswer) {
    this.#connection = connection
    this.#reader = new Http1Reader(answer, method === 'HEAD')
  }

  hear(chunk: Buffer): void {
    this.#hasBegun = true
    const fault = this.#reader.read(chunk)
    if (fault !== undefined) this.#connection.fail('wrong-answer', `does not answer as HTTP does: ${fault}`)
  }

  ended(): void {
    if (!this.#hasBegun) this.#connection.fail('closed', 'closes the connection without an answer')
    else if (!this.#reader.end()) this.#connection.fail('closed', 'ends the connection within its answer')
  }
}

/** A request as it is sent (RFC 9112, 2.1). */
export function requestText({ method, path, authority, headers }: HttpQuestion): string {
  let text = `${method} ${path} HTTP/1.1\r\nHost: ${authority}\r\n`
  for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`
  if (method === 'POST') text += 'Content-Length: 0\r\n'
  return `${text}Connection: close\r\n\r\n`
}

function requestBytes(question: HttpQuestion): Buffer {
  return Buffer.from(requestText(question), 'latin1')
}

export function plainRequest(question: HttpQuestion): PlainRequest {
  return { method: question.method, bytes: requestBytes(question) }
}

/** Without TLS by prior knowledge (RFC 9113, 3.3). */
export function askHttp2(connection: Connection, socket: Socket, question: HttpQuestion, answer: HttpAnswer): void {
  const { method, scheme, authority, path, headers } = question
  const stream = requestHttp2(connection, socket, {
    headers: { ...headers, ':method': method, ':scheme': scheme, ':authority': authority, ':path': path },
    ended: true,
  })
  let status = 0
  stream.once('response', (head) => {
    status = head[':status'] ?? 0
    answer.head(status, { get: (name) => head[name]?.toString() })
  })
  // Frames may have a byte each, and a look at the body costs what there is of it in all.
  const parts: Buffer[] = []
  const handOn = () => {
    if (parts.length > 0) answer.body(Buffer.concat(parts.splice(0)))
  }
  stream.on('data', (part: Buffer) => {
    if (parts.push(part) === 1) setImmediate(handOn)
  })
  stream.once('close', () => {
    handOn()
    if (status === 0) connection.fail('closed', `ends the request without an answer (HTTP/2 error ${stream.rstCode})`)
    else if (stream.rstCode !== 0)
      connection.fail('closed', `ends the request within its answer (HTTP/2 error ${stream.rstCode})`)
    else answer.end()
  })
}
