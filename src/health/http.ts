import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { isConnectFailure, PASSED, type ProbeResult } from '../model/probe-result.ts'
import type { HttpProbeSpec } from '../model/probe-spec.ts'
import { type Connection, overConnection } from './connection.ts'
import { type HttpRedirect, JudgedAnswer } from './http-answer.ts'
import { askHttp1, askHttp2, askPlainly, plainRequest } from './http-exchange.ts'
import { firstQuestion, type HttpQuestion, redirected } from './http-question.ts'
import { type HttpRoute, requestTarget, routeOf, throughTunnel } from './http-route.ts'
import { overPlainConnection, type PlainConnection } from './plain-connection.ts'
import type { EndSignal, Probe } from './probe.ts'
import type { ProbeTarget } from './target.ts'
import { secure } from './tls-handshake.ts'
import { tlsMaterial } from './tls-material.ts'

/** Asks for one page; passes when its status, body and identity are the expected ones. Each request has a connection of its own. */
export function httpProbe(target: ProbeTarget, spec: HttpProbeSpec): Probe {
  const route = routeOf(target, spec)
  const first = firstQuestion(target, spec)
  if (isPlain(spec, route) && spec.redirects === 'accept' && !route.foreign) return plainProbe(route, spec, first)
  const most = spec.redirects === 'accept' ? 0 : spec.redirects.most
  return async (signal) => {
    const material = spec.tls === undefined ? undefined : await tlsMaterial(spec.tls, signal)
    if (material !== undefined && 'problem' in material) return { outcome: 'unknown', message: material.problem }
    const asking: Asking = { target, spec, route, context: material?.context, signal }
    let question = first
    for (let followed = 0; ; followed++) {
      const { result, redirect } = await ask(asking, question)
      if (redirect === undefined) return result
      if (followed === most) return misled(route, `redirects more than ${most} times`)
      const next = redirected(question, redirect, target)
      if (next === undefined) return misled(route, 'redirects to another place')
      question = next
    }
  }
}

/** Whether neither a stream nor anybody else's protocol is between us and the answer. */
function isPlain({ tls, version }: HttpProbeSpec, { tunnel }: HttpRoute): boolean {
  return tls === undefined && version === '1.1' && tunnel === undefined
}

/** One question and one answer. There are thousands of these a second, and the promises of the general way cost as much as the reading. */
function plainProbe(route: HttpRoute, spec: HttpProbeSpec, question: HttpQuestion): Probe {
  const request = plainRequest({ ...question, path: requestTarget(route, question) })
  const talk = (connection: PlainConnection) => askPlainly(connection, request, new JudgedAnswer(connection, spec, NOT_FOLLOWED))
  return (signal) => overPlainConnection(route.hop, signal, talk, route.name)
}

const NOT_FOLLOWED = (): void => {}

interface Asking {
  readonly target: ProbeTarget
  readonly spec: HttpProbeSpec
  readonly route: HttpRoute
  readonly context: SecureContext | undefined
  readonly signal: EndSignal
}

/** The verdict, unless the answer is a redirect that is to be followed. */
async function ask(
  { target, spec, route, context, signal }: Asking,
  question: HttpQuestion,
): Promise<{ readonly result: ProbeResult; readonly redirect: HttpRedirect | undefined }> {
  let redirect: HttpRedirect | undefined
  const asked = { ...question, path: requestTarget(route, question) }
  const answerOn = (connection: Pick<Connection, 'settle' | 'fail' | 'silence'>) =>
    new JudgedAnswer(connection, spec, (found) => {
      redirect = found
      connection.settle(PASSED)
    })
  if (isPlain(spec, route)) {
    const request = plainRequest(asked)
    const talk = (connection: PlainConnection) => askPlainly(connection, request, answerOn(connection))
    const result = await overPlainConnection(route.hop, signal, talk, route.name)
    return { result: ofBackend(result, route), redirect }
  }
  const exchange = (connection: Connection, socket: Socket) => {
    if (spec.version === '2') askHttp2(connection, socket, asked, answerOn(connection))
    else askHttp1(connection, socket, asked, answerOn(connection))
  }
  const protect = (connection: Connection, socket: Socket) => {
    const { tls, version } = spec
    if (tls === undefined || context === undefined) return exchange(connection, socket)
    const protocols = [version === '2' ? 'h2' : 'http/1.1']
    secure(connection, { target, tls, context, protocols, socket }, (secured) => {
      if (version === '2' && secured.alpnProtocol !== 'h2') connection.fail('wrong-answer', 'does not offer HTTP/2')
      else exchange(connection, secured)
    })
  }
  const open = (connection: Connection) => {
    if (route.tunnel === undefined) protect(connection, connection.socket)
    else throughTunnel(connection, route, (socket) => protect(connection, socket))
  }
  const result = await overConnection(route.hop, signal, open, route.name)
  return { result: ofBackend(result, route), redirect }
}

/** That a proxy on the way cannot be reached tells nothing of the backend. */
function ofBackend(result: ProbeResult, { foreign }: HttpRoute): ProbeResult {
  if (!foreign || result.outcome !== 'failed' || !isConnectFailure(result.failure)) return result
  return { outcome: 'unknown', message: `the proxy is not reached: ${result.message}` }
}

function misled({ name }: HttpRoute, what: string): ProbeResult {
  return { outcome: 'failed', failure: 'wrong-answer', message: `${name} ${what}` }
}
