/** The two messages of grpc.health.v1 and how gRPC carries them over HTTP/2 (its PROTOCOL-HTTP2 page). */

/** Flag and length in front of each message. */
const PREFIX = 5

/** Values of HealthCheckResponse.ServingStatus. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

/** A HealthCheckRequest, whose field 1 is the service's name. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a), varint(name.length), name])
  const prefix = Buffer.alloc(PREFIX)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** The status of a HealthCheckResponse, its field 1; undefined for bytes that are none. Other fields are passed over. */
export function healthStatus(body: Buffer): string | undefined {
  // A packed message, or more than one, is nothing that was asked for.
  if (body.length < PREFIX || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX) return undefined
  const fields = new Fields(body.subarray(PREFIX))
  // Left out is zero.
  let status = 0
  for (let field = fields.next(); field !== 'end'; field = fields.next()) {
    if (field === undefined) return undefined
    if (field.number === 1 && field.value !== undefined) status = field.value
  }
  return STATUSES[status] ?? `status ${status}`
}

interface Field {
  readonly number: number
  /** Of a varint; absent for the other kinds. */
  readonly value?: number
}

/** Reads a message of protocol buffers field by field. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Undefined where the bytes make no sense. */
  next(): Field | 'end' | undefined {
    if (this.#at === this.#bytes.length) return 'end'
    const tag = this.#varint()
    if (tag === undefined) return undefined
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0: {
        const value = this.#varint()
        return value === undefined ? undefined : { number, value }
      }
      case 1:
        return this.#skip(8, number)
      case 2:
        return this.#skip(this.#varint(), number)
      case 5:
        return this.#skip(4, number)
      default:
        return undefined
    }
  }

  #skip(length: number | undefined, number: number): Field | undefined {
    if (length === undefined || length > this.#bytes.length - this.#at) return undefined
    this.#at += length
    return { number }
  }

  #varint(): number | undefined {
    let value = 0
    for (let shift = 0; shift < 10; shift++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * 2 ** (7 * shift)
      if (byte < 0x80) return value
    }
    return undefined
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.of(...bytes, rest)
}

/** Names of the codes in `grpc-status`. */
const CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** `UNIMPLEMENTED`, for 12. */
export function grpcCode(code: string): string {
  return CODES[Number(code)] ?? `status ${code}`
}
