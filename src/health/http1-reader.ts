import type { HttpAnswer } from './http-answer.ts'
import { type Http1Head, LONGEST_HEAD, readHead } from './http1-head.ts'

/** Characters of a line that says how long the next chunk is. */
const LONGEST_LINE = 4_096

type Stage =
  | { readonly kind: 'head' }
  /** So many bytes are left; infinite: until the connection ends. */
  | { readonly kind: 'body'; left: number }
  /** Whether the line that ends the chunk before has been read. */
  | { readonly kind: 'chunk-size'; parted: boolean }
  | { readonly kind: 'chunk'; left: number }
  | { readonly kind: 'over' }

const HEAD: Stage = { kind: 'head' }
const OVER: Stage = { kind: 'over' }
const NOTHING = Buffer.alloc(0)

/** Reads one answer of HTTP/1.0 or 1.1 while it comes in (RFC 9112), and hands its parts on. */
export class Http1Reader {
  readonly #answer: HttpAnswer
  /** Whether an answer has no body, whatever its headers say: that of HEAD. */
  readonly #bodiless: boolean
  #stage: Stage = HEAD
  #bytes: Buffer = NOTHING
  /** Bytes in which no end of a head was found. */
  #searched = 0
  /** Bytes of answers before the answer itself. */
  #interim = 0
  /** Of the body, not handed on yet. A look at it costs what there is of it in all, and chunks may have a byte each. */
  #parts: Buffer[] = []

  constructor(answer: HttpAnswer, bodiless: boolean) {
    this.#answer = answer
    this.#bodiless = bodiless
  }

  /** What is wrong with the answer; undefined while nothing is. */
  read(chunk: Buffer): string | undefined {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    const fault = this.#readOn()
    this.#handOn()
    return fault
  }

  #readOn(): string | undefined {
    for (;;) {
      const before = this.#bytes.length
      const stage = this.#stage
      const fault = this.#advance()
      if (fault !== undefined) return fault
      if (this.#stage.kind === 'over' || (this.#stage === stage && this.#bytes.length === before)) return undefined
    }
  }

  /** Whether an answer that ends with its connection is whole. */
  end(): boolean {
    const stage = this.#stage
    if (stage.kind === 'body' && stage.left === Number.POSITIVE_INFINITY) this.#finish()
    return this.#stage.kind === 'over'
  }

  #advance(): string | undefined {
    switch (this.#stage.kind) {
      case 'head':
        return this.#readHead()
      case 'body':
        if (this.#pass(this.#stage) === 0) this.#finish()
        return undefined
      case 'chunk-size':
        return this.#readChunkSize(this.#stage)
      case 'chunk':
        if (this.#pass(this.#stage) === 0) this.#stage = { kind: 'chunk-size', parted: false }
        return undefined
      case 'over':
        return undefined
    }
  }

  #readHead(): string | undefined {
    if (this.#bytes.length === 0) return undefined
    const head = readHead(this.#bytes, this.#searched, LONGEST_HEAD - this.#interim)
    this.#searched = head === undefined ? this.#bytes.length : 0
    if (head === undefined) return undefined
    if ('fault' in head) return head.fault
    this.#bytes = this.#bytes.subarray(head.length)
    // Not the answer itself yet (RFC 9110, 15.2). All of them together are no longer than one may be: they could go on for ever.
    if (head.status < 200 && head.status !== 101) {
      this.#interim += head.length
      return undefined
    }
    const framing = framingOf(head, this.#bodiless)
    if (typeof framing === 'string') return framing
    this.#stage = framing
    this.#answer.head(head.status, head.headers)
    if (this.#answer.isDecided) this.#stage = OVER
    return undefined
  }

  /** Takes what there is of a part; tells how much is left of it. */
  #pass(stage: { left: number }): number {
    const part = this.#bytes.subarray(0, stage.left)
    this.#bytes = this.#bytes.subarray(part.length)
    stage.left -= part.length
    if (part.length > 0) this.#parts.push(part)
    return stage.left
  }

  #readChunkSize(stage: { parted: boolean }): string | undefined {
    const end = this.#bytes.indexOf('\n')
    if (end < 0) return this.#bytes.length > LONGEST_LINE ? 'a chunk has no length' : undefined
    const line = this.#bytes.subarray(0, end).toString('latin1').trim()
    this.#bytes = this.#bytes.subarray(end + 1)
    if (line === '' && !stage.parted) {
      stage.parted = true
      return undefined
    }
    const size = /^([0-9a-f]{1,12})[ \t]*(;|$)/i.exec(line)?.[1]
    if (size === undefined) return 'a chunk has no length'
    const left = Number.parseInt(size, 16)
    if (left === 0) this.#finish()
    else this.#stage = { kind: 'chunk', left }
    return undefined
  }

  #handOn(): void {
    const parts = this.#parts
    const [first] = parts
    if (first === undefined) return
    this.#parts = []
    this.#answer.body(parts.length === 1 ? first : Buffer.concat(parts))
  }

  #finish(): void {
    this.#stage = OVER
    this.#handOn()
    this.#answer.end()
  }
}

const LENGTH = /^\d{1,15}$/

/** How the end of the body is found (RFC 9112, 6.3); or what is wrong with what says so. */
function framingOf({ status, headers }: Http1Head, bodiless: boolean): Stage | string {
  if (bodiless || status < 200 || status === 204 || status === 304) return { kind: 'body', left: 0 }
  const coding = headers.get('transfer-encoding')
  if (coding !== undefined && /(^|,)[ \t]*chunked$/i.test(coding)) return { kind: 'chunk-size', parted: true }
  const length = headers.get('content-length')
  if (length === undefined || coding !== undefined) return { kind: 'body', left: Number.POSITIVE_INFINITY }
  if (LENGTH.test(length)) return { kind: 'body', left: Number(length) }
  const [one = '', ...others] = length.split(',').map((text) => text.trim())
  if (!LENGTH.test(one) || others.some((other) => other !== one)) return 'its content-length is no length'
  return { kind: 'body', left: Number(one) }
}
