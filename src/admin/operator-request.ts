import type { IncomingMessage } from 'node:http'
import * as z from 'zod'
import { PointsmanError } from '../errors.ts'
import { LONGEST_WHILE } from '../model/operator-words.ts'

/** Bytes of a request's body that are read: ten thousand backends and their reason. */
const LIMIT = 1024 * 1024

/** Milliseconds. */
const lasting = z.number().min(1).max(LONGEST_WHILE).optional()

/** Why, and for how long. */
const terms = {
  /** One line, for terminals and logs. */
  reason: z
    .string()
    .min(1)
    .max(1_000)
    .regex(/^\P{Cc}*$/u)
    .optional(),
  /** Milliseconds for which it counts. */
  for: lasting,
}

const target = z.union([
  z.strictObject({ service: z.string().min(1), backends: z.array(z.string()).optional() }),
  /** `10.0.1.1` or `10.0.1.1:80`, in all services. */
  z.strictObject({ host: z.string().min(1) }),
])

/** Whether nobody may be left to serve. */
const force = z.boolean().optional()

const leaving = { target, force, ...terms }

const weight = z.strictObject({
  verb: z.literal('weight'),
  weight: z.int().min(0).max(65_535),
  /** Milliseconds, and changes in that time. */
  over: lasting,
  steps: z.int().min(1).max(1_000).optional(),
  ...leaving,
})

/** Whether a weight that is reached in steps still counts when the last one is done. */
export function weightIsReached({ over, for: lasts }: Pick<z.output<typeof weight>, 'over' | 'for'>): boolean {
  return over === undefined || lasts === undefined || lasts > over
}

const requestSchema = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('ready'), target }),
  z.strictObject({ verb: z.literal('unset'), target }),
  z.strictObject({ verb: z.literal('drain'), ...leaving }),
  z.strictObject({ verb: z.literal('maintenance'), ...leaving }),
  weight.refine(weightIsReached, 'for must be longer than over'),
])

const pauseSchema = z.strictObject(terms)

/** Body of `POST /pause`. */
export type PauseRequest = z.output<typeof pauseSchema>

/** Body of `POST /operator`. */
export type OperatorRequest = z.output<typeof requestSchema>

/** Answer to `POST /operator`. */
export interface OperatorAnswer {
  readonly changed: readonly SaidOf[]
  /** Backends of which nothing else was said before. */
  readonly unchanged: readonly { readonly service: string; readonly backend: string }[]
  /** Whether a restart keeps it: false while the state directory cannot be written. */
  readonly kept: boolean
}

/** What counts of a backend from now on. */
export interface SaidOf {
  readonly service: string
  readonly backend: string
  readonly state: 'ready' | 'drain' | 'maintenance'
  readonly weight?: number
  /** ISO 8601; of the state and of the weight. */
  readonly until?: string
  readonly weight_until?: string
}

/** Reads the body of a request; rejects with BAD_INPUT where it is none. */
export function readOperatorRequest(request: IncomingMessage): Promise<OperatorRequest> {
  return readRequest(request, requestSchema)
}

/** As readOperatorRequest. */
export function readPauseRequest(request: IncomingMessage): Promise<PauseRequest> {
  return readRequest(request, pauseSchema)
}

async function readRequest<S extends z.ZodType>(request: IncomingMessage, schema: S): Promise<z.output<S>> {
  let text = ''
  request.setEncoding('utf8')
  try {
    for await (const part of request as AsyncIterable<string>) {
      text += part
      if (text.length > LIMIT) throw new PointsmanError('BAD_INPUT', `The request is longer than ${LIMIT} bytes.`)
    }
  } catch (error) {
    if (error instanceof PointsmanError) throw error
    throw new PointsmanError('BAD_INPUT', 'The request ended too early.', { cause: error })
  }
  const read = schema.safeParse(json(text))
  if (read.success) return read.data
  throw new PointsmanError('BAD_INPUT', `The request is not understood (${z.prettifyError(read.error).replaceAll('\n', ' ')}).`)
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
