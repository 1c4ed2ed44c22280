/** Follows the bytes of one HTTP/1.1 connection between a client that does not pipeline and a server. */

export interface RecordedRequest {
  /** Milliseconds since the epoch at its first byte. */
  readonly at: number
  readonly method: string
  /** With the query. */
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Head and body as they went over the wire, one byte a character. */
  readonly bytes: string
  /** The peer's answer as far as its head has arrived. */
  reply?: RecordedReply
}

export interface RecordedReply {
  /** Milliseconds since the epoch at the end of its head. */
  readonly at: number
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** What the head takes, the empty line included. */
  readonly headBytes: number
}

const headEnd = Buffer.from('\r\n\r\n')

/** The first line's words and the header fields; undefined while the head is not complete. */
function parseHead(bytes: Buffer): { words: readonly string[]; headers: Record<string, string>; length: number } | undefined {
  const end = bytes.indexOf(headEnd)
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { words: first.split(' '), headers, length: end + headEnd.length }
}

export class HttpExchange {
  readonly #onRequest: (request: RecordedRequest) => void
  #asking = Buffer.alloc(0)
  #askedAt = 0
  #answering = Buffer.alloc(0)
  #open: RecordedRequest | undefined

  /** `onRequest` is told of each request as soon as all of it has been seen. */
  constructor(onRequest: (request: RecordedRequest) => void) {
    this.#onRequest = onRequest
  }

  /** The request that was seen last and whose answer is under way or awaited. */
  get open(): RecordedRequest | undefined {
    return this.#open
  }

  fromClient(chunk: Buffer): void {
    if (this.#asking.length === 0) this.#askedAt = Date.now()
    this.#asking = Buffer.concat([this.#asking, chunk])
    const head = parseHead(this.#asking)
    if (head === undefined) return
    const length = head.length + Number(head.headers['content-length'] ?? 0)
    if (this.#asking.length < length) return
    const [method = '', path = ''] = head.words
    const bytes = this.#asking.subarray(0, length).toString('latin1')
    this.#open = { at: this.#askedAt, method, path, headers: head.headers, bytes }
    this.#asking = this.#asking.subarray(length)
    this.#answering = Buffer.alloc(0)
    this.#onRequest(this.#open)
  }

  fromPeer(chunk: Buffer): void {
    if (this.#open === undefined || this.#open.reply !== undefined) return
    this.#answering = Buffer.concat([this.#answering, chunk])
    const head = parseHead(this.#answering)
    if (head === undefined) return
    this.#open.reply = { at: Date.now(), status: Number(head.words[1]), headers: head.headers, headBytes: head.length }
  }
}
