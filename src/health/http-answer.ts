import { PASSED, type ProbeResult } from '../model/probe-result.ts'
import type { HttpProbeSpec } from '../model/probe-spec.ts'
import { AnswerText, describeMismatch } from './answer-text.ts'
import type { Connection } from './connection.ts'
import { excerpt } from './excerpt.ts'
import type { HttpHeaders } from './http1-head.ts'

/** An answer while it comes in, in either version of HTTP; settles the probe as soon as it is decided. */
export interface HttpAnswer {
  /** Whether nothing that is still to come makes it another one. */
  readonly isDecided: boolean
  head(status: number, headers: HttpHeaders): void
  body(chunk: Buffer): void
  end(): void
}

export interface HttpRedirect {
  readonly status: number
  /** As the header has it: a path or a whole address. */
  readonly location: string
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

type Judged = Pick<Connection, 'settle' | 'fail' | 'silence'>

/** Ends the probe on a connection as soon as it is decided. */
export class JudgedAnswer implements HttpAnswer {
  readonly #connection: Judged
  readonly #spec: HttpProbeSpec
  readonly #redirected: (redirect: HttpRedirect) => void
  readonly #text: AnswerText | undefined
  isDecided = false

  /** `redirected` is called in place of a verdict where a redirect is to be followed. */
  constructor(connection: Judged, spec: HttpProbeSpec, redirected: (redirect: HttpRedirect) => void) {
    this.#connection = connection
    this.#spec = spec
    this.#redirected = redirected
    this.#text = spec.body === undefined ? undefined : new AnswerText(spec.body, 'utf8')
  }

  head(status: number, headers: HttpHeaders): void {
    const spec = this.#spec
    const location = spec.redirects !== 'accept' && REDIRECTS.has(status) ? headers.get('location') : undefined
    if (status === 407 && isThrough(spec)) {
      const message = `the proxy wants to know who asks: it answers with status ${status}`
      this.#settle({ outcome: 'unknown', message })
    } else if (location !== undefined) {
      this.isDecided = true
      this.#redirected({ status, location })
    } else {
      const fault = headFault(spec, status, headers)
      if (fault !== undefined) this.#fail(fault)
      else if (this.#text === undefined) this.#settle(PASSED)
      else this.#connection.silence = 'does not finish its answer in time'
    }
  }

  body(chunk: Buffer): void {
    this.#judge(this.#text?.add(chunk))
  }

  end(): void {
    this.#judge(this.#text?.end())
  }

  #judge(fits: boolean | undefined): void {
    const { body } = this.#spec
    if (fits === true) this.#settle(PASSED)
    if (fits === false && body !== undefined) this.#fail(`answers with a body ${describeMismatch(body)}`)
  }

  #settle(result: ProbeResult): void {
    this.isDecided = true
    this.#connection.settle(result)
  }

  #fail(what: string): void {
    this.isDecided = true
    this.#connection.fail('wrong-answer', what)
  }
}

/** A proxy on the way speaks for itself alone when it wants to know who asks (RFC 9110, 15.5.8). */
function isThrough({ proxy }: HttpProbeSpec): boolean {
  return proxy !== undefined && 'through' in proxy
}

function headFault({ identity, status, headers: told }: HttpProbeSpec, code: number, headers: HttpHeaders): string | undefined {
  if (identity !== undefined) {
    const said = headers.get(identity.header.toLowerCase())
    if (said === undefined) return `answers without the header ${identity.header}: it may be another one at the same address`
    if (said !== identity.value)
      return `answers with ${identity.header}: ${excerpt(said, Object.values(told))}: it is another one at the same address`
  }
  return status.some(({ from, to }) => code >= from && code <= to) ? undefined : `answers with status ${code}`
}
