import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, PointsmanError } from '../errors.ts'
import { type HttpServer, type Route, sendJson, serveHttp } from './http-server.ts'
import {
  type OperatorAnswer,
  type OperatorRequest,
  type PauseRequest,
  readOperatorRequest,
  readPauseRequest,
} from './operator-request.ts'
import { type AdminContent, shown } from './server.ts'
import type { PauseStanding, StatusAnswer, WhyAnswer } from './standing.ts'

/** What the operator may ask of a running daemon. What is refused is thrown as a PointsmanError. */
export interface Control {
  /** Lets go what is held of a service; gives the backends. BAD_INPUT: no such service; NOTHING_HELD. */
  approve(service: string): { readonly removals: readonly string[]; readonly failures: readonly string[] }
  /** Takes over what is foreign in a service; gives those backends. BAD_INPUT: no such service, or it cannot be done now. */
  adopt(service: string): Promise<readonly string[]>
  /** Nothing is written from now on. */
  pause(request: PauseRequest): Promise<PauseAnswer>
  /** Everything is written again. */
  resume(): Promise<ResumeAnswer>
  /** Says something of backends. BAD_INPUT: no such service or backend; LAST_BACKEND: nobody would serve any more. */
  say(request: OperatorRequest): Promise<OperatorAnswer>
  /** How everything stands, or one service; BAD_INPUT: there is none of that name. */
  status(service: string | undefined): Promise<StatusAnswer>
  /** Why a backend has the weight that it has. BAD_INPUT: no such service or backend. */
  why(service: string, backend: string): Promise<WhyAnswer>
}

/** Answer to `POST /approve?service=NAME`. */
export interface Approval {
  readonly service: string
  /** Backends whose removal was held. */
  readonly approved: readonly string[]
  /** Backends whose failure was held; absent where there is none. */
  readonly failures?: readonly string[]
}

/** Answer to `POST /adopt?service=NAME`. */
export interface Adoption {
  readonly service: string
  /** Backends that were foreign and drain from now on. */
  readonly adopted: readonly string[]
}

/** Answer to `POST /pause`. */
export interface PauseAnswer {
  readonly paused: PauseStanding
  /** Whether a restart keeps it: false while the state directory cannot be written. */
  readonly kept: boolean
  /** Whether all that was begun before has ended: false while the kernel takes long, so that something may still be written. */
  readonly settled: boolean
}

/** Answer to `POST /resume`. */
export interface ResumeAnswer {
  /** The pause that has ended; absent: there was none. */
  readonly ended?: PauseStanding
}

/** What is answered in place of a result, with the status of its code. */
export interface Refusal {
  readonly error: { readonly code: ErrorCode; readonly message: string }
}

const STATUS: { readonly [Code in ErrorCode]?: number } = { BAD_INPUT: 404, NOTHING_HELD: 409, LAST_BACKEND: 409 }

/** Starts to listen on a unix socket that its owner alone may use; rejects with ADMIN_ADDRESS where that is impossible. */
export function startControlServer(socket: string, content: AdminContent, control: Control): Promise<HttpServer> {
  const routes = shown(content)
  routes.set('/approve', {
    methods: ['POST'],
    handle: answering((query): Approval => {
      const service = query.get('service') ?? ''
      const { removals, failures } = control.approve(service)
      return { service, approved: removals, ...(failures.length > 0 && { failures }) }
    }),
  })
  routes.set('/adopt', {
    methods: ['POST'],
    handle: answering(async (query): Promise<Adoption> => {
      const service = query.get('service') ?? ''
      return { service, adopted: await control.adopt(service) }
    }),
  })
  routes.set('/pause', {
    methods: ['POST'],
    handle: answering(async (_, request) => control.pause(await readPauseRequest(request))),
  })
  routes.set('/resume', { methods: ['POST'], handle: answering(() => control.resume()) })
  routes.set('/operator', {
    methods: ['POST'],
    handle: answering(async (_, request) => control.say(await readOperatorRequest(request))),
  })
  routes.set('/status', {
    methods: ['GET'],
    handle: answering((query) => control.status(query.get('service') ?? undefined)),
  })
  routes.set('/why', {
    methods: ['GET'],
    handle: answering((query) => control.why(query.get('service') ?? '', query.get('backend') ?? '')),
  })
  return serveHttp({ socket }, routes)
}

function answering(work: (query: URLSearchParams, request: IncomingMessage) => object | Promise<object>): Route['handle'] {
  return async (request: IncomingMessage, response: ServerResponse) => {
    try {
      sendJson(request, response, 200, await work(new URL(request.url ?? '/', 'http://pointsman').searchParams, request))
    } catch (error) {
      if (!(error instanceof PointsmanError)) throw error
      const refusal: Refusal = { error: { code: error.code, message: error.message } }
      sendJson(request, response, STATUS[error.code] ?? 500, refusal)
    }
  }
}
