import { request } from 'node:http'
import { CATALOGUE, type ErrorCode, PointsmanError } from '../errors.ts'
import { socketToAsk } from './find-socket.ts'

/** Milliseconds that the daemon has for its answer. */
const PATIENCE = 10_000
/** Characters of an answer that are read: how a hundred thousand backends stand. */
const LIMIT = 64 * 1024 * 1024

/**
 * Asks the daemon that keeps its record in a state directory; `content` goes along as JSON. Rejects with NO_DAEMON where none answers, with
 * NO_PERMISSION where its socket may not be used, and with the daemon's own words where it refuses.
 */
export async function askDaemon(stateDir: string, method: 'GET' | 'POST', path: string, content?: object): Promise<unknown> {
  const socketPath = await socketToAsk(stateDir)
  const { status, text } = await exchange(socketPath, method, path, content)
  const body = parseJson(text)
  if (status === 200 && body !== undefined) return body
  throw refusalIn(body) ?? noDaemon(socketPath, `what answers there is no daemon of this version (status ${status})`)
}

function exchange(socketPath: string, method: string, path: string, content?: object): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(connectError(error, socketPath))
    const asking = request({ socketPath, method, path, agent: false, signal: AbortSignal.timeout(PATIENCE) }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        if (text.length < LIMIT) text += part
      })
      response.on('error', failed)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asking.on('error', failed)
    asking.end(content === undefined ? undefined : JSON.stringify(content))
  })
}

/** What it means that a request to the socket failed. */
export function connectError(error: NodeJS.ErrnoException, path: string): PointsmanError {
  switch (error.code) {
    case 'ENOENT':
      return noDaemon(path, 'there is no such socket', error)
    case 'ECONNREFUSED':
      return noDaemon(path, 'nobody listens there', error)
    case 'EACCES':
    case 'EPERM':
      return new PointsmanError(
        'NO_PERMISSION',
        `The admin socket ${path} may not be used: run this as the user of the daemon.`,
        {
          cause: error,
        },
      )
    default:
      return noDaemon(
        path,
        error.name === 'AbortError' || error.name === 'TimeoutError' ? 'there is no answer' : error.message,
        error,
      )
  }
}

function noDaemon(path: string, why: string, cause?: unknown): PointsmanError {
  return new PointsmanError(
    'NO_DAEMON',
    `No daemon answers at ${path} (${why}): start one, or name the state directory of the one that runs with --state-dir.`,
    { cause },
  )
}

function refusalIn(body: unknown): PointsmanError | undefined {
  const error = (body as { error?: { code?: unknown; message?: unknown } } | undefined)?.error
  if (typeof error?.code !== 'string' || typeof error.message !== 'string' || !(error.code in CATALOGUE)) return undefined
  return new PointsmanError(error.code as ErrorCode, error.message)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
