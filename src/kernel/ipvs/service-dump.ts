import type { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { ATTRIBUTE_HEADER, GENERIC_HEADER, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from '../netlink/constants.ts'
import { type Arena, dump, exchange, LARGEST_DATAGRAM } from '../netlink/exchange.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import { MessageWriter } from '../netlink/message-writer.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { ATTR, COMMAND, SERVICE } from './constants.ts'
import { kernelRefused } from './refusals.ts'

/** How often a dump that the kernel calls torn is made again; after that its absences are proven one by one anyway. */
const RESTARTS = 3

/** The questions about services and their destinations, on one socket. */
export class ServiceQuestions {
  readonly #transport: NetlinkTransport
  readonly #family: number
  readonly #writer = new MessageWriter(new Uint8Array(512))
  readonly #buffer = Buffer.alloc(LARGEST_DATAGRAM)

  constructor(transport: NetlinkTransport, family: number) {
    this.#transport = transport
    this.#family = family
  }

  /** Appends every service to `arena`. */
  dumpServices(arena: Arena, sequence: number): void {
    const request = this.#request(COMMAND.getService, NLM_F_REQUEST | NLM_F_DUMP, sequence)
    this.#dump(request, arena, 'list its services')
  }

  /** Appends the destinations of a service to `arena`; gives the number of datagrams they came in. */
  dumpDestinations(arena: Arena, nest: Uint8Array, sequence: number): number {
    const request = this.#request(COMMAND.getDest, NLM_F_REQUEST | NLM_F_DUMP, sequence, nest)
    return this.#dump(request, arena, 'list the destinations of a service')
  }

  /** Appends one service to `arena`; false when the kernel says that it is not there. */
  getService(arena: Arena, nest: Uint8Array, sequence: number): boolean {
    const request = this.#request(COMMAND.getService, NLM_F_REQUEST | NLM_F_ACK, sequence, nest)
    const refusal = exchange(this.#transport, request, this.#buffer, (message) => {
      const room = arena.room()
      room.set(this.#buffer.subarray(message.start, message.end))
      arena.position += message.end - message.start
    })
    if (refusal === undefined) return true
    if (refusal.errno === 'ESRCH') return false
    throw kernelRefused('show a service', refusal)
  }

  #dump(request: Uint8Array, arena: Arena, what: string): number {
    const start = arena.position
    for (let attempt = 0; ; attempt++) {
      arena.position = start
      const end = dump(this.#transport, request, arena)
      if (end.refusal !== undefined) throw kernelRefused(what, end.refusal)
      if (!end.interrupted || attempt === RESTARTS) return end.datagrams
    }
  }

  #request(command: number, flags: number, sequence: number, nest?: Uint8Array): Uint8Array {
    const writer = this.#writer
    writer.position = 0
    const start = writer.begin(this.#family, flags, sequence, command)
    if (nest !== undefined) writer.raw(nest)
    writer.end(start)
    return writer.bytes.subarray(0, writer.position)
  }
}

/** The last attribute type that names a service; the kernel writes these five first and in order. */
const LAST_NAME_ATTRIBUTE = SERVICE.fwmark

/**
 * Where the attributes that name a service start and end in its message: they are sent back as they are to ask for its
 * destinations. Throws when the message is none of a service.
 */
export function nameRange(attributes: AttributeCursor, message: MessageCursor): { readonly start: number; readonly end: number } {
  attributes.over(message.body + GENERIC_HEADER, message.end)
  if (!attributes.next() || attributes.type !== ATTR.service)
    throw protocolError('a message of the service list holds no service')
  const start = attributes.start
  attributes.over(start, start + attributes.length)
  let end = start
  while (attributes.next() && attributes.type <= LAST_NAME_ATTRIBUTE) end = attributes.padded
  return { start, end }
}

/** The bytes that name the service of a message, as text; undefined in a message of no service. */
export function nameIn(bytes: Uint8Array, attributes: AttributeCursor, message: MessageCursor): string | undefined {
  attributes.over(message.body + GENERIC_HEADER, message.end)
  if (!attributes.next() || attributes.type !== ATTR.service) return undefined
  const { start, end } = nameRange(attributes, message)
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}

/** IPVS_CMD_ATTR_SERVICE around attributes that are encoded already. */
export function nestOf(name: Uint8Array): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(ATTRIBUTE_HEADER + name.length))
  const nest = writer.beginNest(ATTR.service)
  writer.raw(name)
  writer.endNest(nest)
  return writer.bytes
}
