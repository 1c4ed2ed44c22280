import type { IncomingHttpHeaders } from 'node:http'
import type { HttpProbeSpec } from '../model/probe-spec.ts'
import { AnswerText, describeMismatch } from './answer-text.ts'
import type { Connection } from './connection.ts'
import { excerpt } from './excerpt.ts'

/** An answer while it comes in, in either version of HTTP; settles the probe as soon as it is decided. */
export interface HttpAnswer {
  head(status: number, headers: IncomingHttpHeaders): void
  body(chunk: Buffer): void
  end(): void
}

export interface HttpRedirect {
  readonly status: number
  /** As the header has it: a path or a whole address. */
  readonly location: string
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** `redirected` is called in place of a verdict where a redirect is to be followed. */
export function judgeAnswer(
  connection: Pick<Connection, 'settle' | 'fail' | 'silence'>,
  spec: HttpProbeSpec,
  redirected: (redirect: HttpRedirect) => void,
): HttpAnswer {
  const text = spec.body === undefined ? undefined : new AnswerText(spec.body, 'utf8')
  const judge = (fits: boolean | undefined) => {
    if (fits === true) connection.settle({ outcome: 'passed' })
    if (fits === false && spec.body !== undefined)
      connection.fail('wrong-answer', `answers with a body ${describeMismatch(spec.body)}`)
  }
  return {
    head(status, headers) {
      if (status === 407 && isThrough(spec))
        return connection.settle({
          outcome: 'unknown',
          message: `the proxy wants to know who asks: it answers with status ${status}`,
        })
      if (spec.redirects !== 'accept' && REDIRECTS.has(status) && headers.location !== undefined)
        return redirected({ status, location: headers.location })
      const fault = headFault(spec, status, headers)
      if (fault !== undefined) return connection.fail('wrong-answer', fault)
      if (text === undefined) judge(true)
      connection.silence = 'does not finish its answer in time'
    },
    body: (chunk) => judge(text?.add(chunk)),
    end: () => judge(text?.end()),
  }
}

/** A proxy on the way speaks for itself alone when it wants to know who asks (RFC 9110, 15.5.8). */
function isThrough({ proxy }: HttpProbeSpec): boolean {
  return proxy !== undefined && 'through' in proxy
}

function headFault({ identity, status }: HttpProbeSpec, code: number, headers: IncomingHttpHeaders): string | undefined {
  if (identity !== undefined) {
    const said = headers[identity.header.toLowerCase()]
    if (said === undefined) return `answers without the header ${identity.header}: it may be another one at the same address`
    if (String(said) !== identity.value)
      return `answers with ${identity.header}: ${excerpt(String(said))}: it is another one at the same address`
  }
  return status.some(({ from, to }) => code >= from && code <= to) ? undefined : `answers with status ${code}`
}
