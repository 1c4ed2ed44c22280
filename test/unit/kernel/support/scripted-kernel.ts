import { ATTR, COMMAND, DEST, SERVICE } from '../../../../src/kernel/ipvs/constants.ts'
import { SystemCallError } from '../../../../src/kernel/libc.ts'
import { AttributeCursor } from '../../../../src/kernel/netlink/attribute-cursor.ts'
import {
  CTRL_ATTR_FAMILY_ID,
  GENERIC_HEADER,
  GENL_ID_CTRL,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from '../../../../src/kernel/netlink/constants.ts'
import { MessageCursor } from '../../../../src/kernel/netlink/message-cursor.ts'
import { MessageWriter } from '../../../../src/kernel/netlink/message-writer.ts'
import type { NetlinkTransport } from '../../../../src/kernel/netlink/transport.ts'

export const ERRNO = { EPERM: 1, ENOENT: 2, ESRCH: 3, EEXIST: 17, EINVAL: 22 } as const

interface StoredService {
  /** Value of IPVS_CMD_ATTR_SERVICE as it was sent. */
  nest: Uint8Array
  /** Values of IPVS_CMD_ATTR_DEST by the bytes of address and port. */
  readonly destinations: Map<string, Uint8Array>
}

/**
 * A netlink peer that keeps an IPVS table in memory and answers as Linux does: refusals alone without NLM_F_ACK, dumps in
 * datagrams, ESRCH for an unknown service, an empty success for the destinations of one. Hooks make it misbehave.
 */
export class ScriptedKernel implements NetlinkTransport {
  family = 37
  readonly services = new Map<string, StoredService>()
  readonly queue: Uint8Array[] = []
  /** Every datagram that was sent. */
  readonly sends: Uint8Array[] = []
  /** Messages in one datagram of a dump. */
  perDatagram = 8
  /** Connections that every destination reports. */
  active = 0
  closed = false
  /** Called before each message is worked off; an errno refuses it, with words if given. */
  refuse: (command: number, sequence: number) => { errno: number; words?: string } | undefined = () => undefined
  /** Called with the messages of a dump before they go out: what it leaves out is torn away. */
  tear: (command: number, messages: Uint8Array[]) => Uint8Array[] = (_, messages) => messages
  /** Called before every receive; may throw. */
  onReceive: () => void = () => undefined
  /** Sets NLM_F_DUMP_INTR on so many dumps to come. */
  interrupted = 0

  send(bytes: Uint8Array): void {
    this.sends.push(bytes.slice())
    const cursor = new MessageCursor(bytes)
    while (cursor.next()) this.#work(cursor)
  }

  receive(into: Uint8Array): number | undefined {
    this.onReceive()
    const datagram = this.queue.shift()
    if (datagram === undefined) return undefined
    into.set(datagram.subarray(0, into.length))
    return datagram.length
  }

  [Symbol.dispose](): void {
    this.closed = true
    // What a socket holds goes with it.
    this.queue.length = 0
  }

  #work(message: MessageCursor): void {
    const { sequence, flags, type } = message
    const command = message.bytes[message.body] ?? 0
    const refusal = this.refuse(command, sequence)
    if (refusal) this.#answerError(message, refusal.errno, refusal.words)
    else if (type === GENL_ID_CTRL) this.#answerFamily(message)
    else if (type !== this.family) this.#answerError(message, ERRNO.ENOENT)
    else if ((flags & NLM_F_DUMP) === NLM_F_DUMP) this.#dump(message, command)
    else {
      const errno = this.#change(message, command)
      if (errno !== 0 || (flags & NLM_F_ACK) !== 0) this.#answerError(message, errno)
    }
  }

  /** What is not a query; the errno of the refusal or 0. */
  #change(message: MessageCursor, command: number): number {
    const { service, destination } = nests(message)
    if (command === COMMAND.flush) {
      this.services.clear()
      return 0
    }
    if (command === COMMAND.getInfo) {
      this.queue.push(
        build(this.family, message.sequence, 0, COMMAND.getInfo, (writer) => {
          writer.uint32(1, 0x010201)
          writer.uint32(2, 4096)
        }),
      )
      return 0
    }
    if (service === undefined) return ERRNO.EINVAL
    const name = serviceName(service)
    const stored = this.services.get(name)
    if (command === COMMAND.newService) {
      if (stored) return ERRNO.EEXIST
      this.services.set(name, { nest: service, destinations: new Map() })
      return 0
    }
    if (stored === undefined) return ERRNO.ESRCH
    if (command === COMMAND.setService) stored.nest = service
    else if (command === COMMAND.delService) this.services.delete(name)
    else if (command === COMMAND.getService) this.queue.push(this.#serviceMessage(stored, message.sequence, 0))
    else return changeDestination(stored, command, destination)
    return 0
  }

  #dump(message: MessageCursor, command: number): void {
    const flags = this.interrupted-- > 0 ? NLM_F_DUMP_INTR : 0
    const messages =
      command === COMMAND.getService
        ? [...this.services.values()].map((service) => this.#serviceMessage(service, message.sequence, flags))
        : this.#destinationMessages(message, flags)
    const left = this.tear(command, messages)
    for (let at = 0; at < left.length; at += this.perDatagram)
      this.queue.push(Buffer.concat(left.slice(at, at + this.perDatagram)))
    this.queue.push(errorBytes(NLMSG_DONE, message.sequence, 0, new Uint8Array()))
  }

  #serviceMessage({ nest }: StoredService, sequence: number, flags: number): Uint8Array {
    return build(this.family, sequence, flags, COMMAND.newService, (writer) => {
      const start = writer.beginNest(ATTR.service)
      writer.raw(nest)
      writer.endNest(start)
    })
  }

  #destinationMessages(message: MessageCursor, flags: number): Uint8Array[] {
    const { service } = nests(message)
    const stored = service && this.services.get(serviceName(service))
    return [...(stored?.destinations.values() ?? [])].map((nest) =>
      build(this.family, message.sequence, flags, COMMAND.newDest, (writer) => {
        const start = writer.beginNest(ATTR.dest)
        writer.raw(nest)
        writer.uint32(DEST.active, this.active)
        writer.uint32(DEST.inactive, 0)
        writer.uint32(DEST.persistent, 0)
        writer.endNest(start)
      }),
    )
  }

  #answerFamily(message: MessageCursor): void {
    this.queue.push(build(GENL_ID_CTRL, message.sequence, 0, 1, (writer) => writer.uint16(CTRL_ATTR_FAMILY_ID, this.family)))
    this.#answerError(message, 0)
  }

  #answerError(message: MessageCursor, errno: number, words?: string): void {
    const header = message.bytes.slice(message.start, message.body)
    this.queue.push(errorBytes(NLMSG_ERROR, message.sequence, -errno, header, words))
  }
}

function changeDestination(service: StoredService, command: number, nest: Uint8Array | undefined): number {
  if (nest === undefined) return ERRNO.EINVAL
  const name = destinationName(nest)
  const there = service.destinations.has(name)
  if (command === COMMAND.newDest && there) return ERRNO.EEXIST
  if (command !== COMMAND.newDest && !there) return ERRNO.ENOENT
  if (command === COMMAND.delDest) service.destinations.delete(name)
  else service.destinations.set(name, nest)
  return 0
}

/** NLMSG_ERROR or NLMSG_DONE with NLM_F_CAPPED and, with words, NLM_F_ACK_TLVS. */
export function errorBytes(type: number, sequence: number, result: number, request: Uint8Array, words?: string): Uint8Array {
  const text = words === undefined ? new Uint8Array() : Buffer.from(`${words}\0`)
  const attribute = text.length === 0 ? 0 : 4 + text.length
  const bytes = Buffer.alloc(16 + 4 + request.length + ((attribute + 3) & ~3))
  bytes.writeUInt32LE(16 + 4 + request.length + attribute, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeUInt16LE(0x100 | (attribute > 0 ? 0x200 : 0), 6)
  bytes.writeUInt32LE(sequence, 8)
  bytes.writeInt32LE(result, 16)
  bytes.set(request, 20)
  if (attribute > 0) {
    bytes.writeUInt16LE(attribute, 20 + request.length)
    bytes.writeUInt16LE(1, 22 + request.length)
    bytes.set(text, 24 + request.length)
  }
  return bytes
}

function build(
  type: number,
  sequence: number,
  flags: number,
  command: number,
  attributes: (writer: MessageWriter) => void,
): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(1024))
  const start = writer.begin(type, flags, sequence, command)
  attributes(writer)
  writer.end(start)
  return writer.bytes.slice(0, writer.position)
}

function nests(message: MessageCursor): { service?: Uint8Array; destination?: Uint8Array } {
  const attributes = new AttributeCursor(message.bytes)
  const found: { service?: Uint8Array; destination?: Uint8Array } = {}
  attributes.over(message.body + GENERIC_HEADER, message.end)
  while (attributes.next()) {
    if (attributes.type === ATTR.service) found.service = attributes.value().slice()
    if (attributes.type === ATTR.dest) found.destination = attributes.value().slice()
  }
  return found
}

function serviceName(nest: Uint8Array): string {
  return attributesText(nest, [SERVICE.family, SERVICE.protocol, SERVICE.address, SERVICE.port, SERVICE.fwmark])
}

function destinationName(nest: Uint8Array): string {
  return attributesText(nest, [DEST.address, DEST.port])
}

function attributesText(nest: Uint8Array, types: readonly number[]): string {
  const attributes = new AttributeCursor(nest)
  attributes.over(0, nest.length)
  let text = ''
  while (attributes.next()) {
    if (types.includes(attributes.type)) text += `${attributes.type}:${Buffer.from(attributes.value()).toString('hex')} `
  }
  return text
}

/** The error that a lost reply makes. */
export function overflow(): SystemCallError {
  return new SystemCallError('recv', 'ENOBUFS')
}
