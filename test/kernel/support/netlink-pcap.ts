/** What was asked of the kernel's IPVS, read from a capture of a netlink monitor device. Own constants on purpose (linux/ip_vs.h). */

import { type CapturedPacket, messagesIn, NETLINK_GENERIC, packetsOf, readAttributes } from './netlink-capture.ts'

const COMMANDS = [
  'unspecified',
  'new-service',
  'set-service',
  'delete-service',
  'get-service',
  'new-destination',
  'set-destination',
  'delete-destination',
  'get-destination',
  'new-daemon',
  'delete-daemon',
  'get-daemon',
  'set-config',
  'get-config',
  'set-info',
  'get-info',
  'zero',
  'flush',
] as const

export type IpvsCommandName = (typeof COMMANDS)[number]

/** One IPVS request that some process sent. */
export interface IpvsRequest {
  readonly command: IpvsCommandName
  /** `tcp 10.0.0.1:80`, `fwmark 7`; empty where the request names no service. */
  readonly service: string
  /** `10.0.1.1:8080`; empty where it names no destination. */
  readonly destination: string
}

export const isWrite = ({ command }: IpvsRequest): boolean => !command.startsWith('get-')

const NLM_F_REQUEST = 1

/** The requests to the generic netlink family `family`, in order. A capture that was cut short by its writer's end is read as far as it goes. */
export function ipvsRequests(capture: Buffer, family: number): IpvsRequest[] {
  const requests: IpvsRequest[] = []
  for (const packet of packetsOf(capture)) {
    if (packet.protocol === NETLINK_GENERIC) requests.push(...requestsIn(packet, family))
  }
  return requests
}

function* requestsIn(packet: CapturedPacket, family: number): Generator<IpvsRequest> {
  for (const { type, flags, body } of messagesIn(packet)) {
    if (type !== family || (flags & NLM_F_REQUEST) === 0) continue
    const command = COMMANDS[body.readUInt8(0)]
    if (command === undefined) throw new Error(`unknown IPVS command ${body.readUInt8(0)}`)
    const attributes = readAttributes(body.subarray(4))
    const service = readAttributes(attributes.get(1))
    yield { command, service: serviceText(service), destination: destinationText(readAttributes(attributes.get(2)), service) }
  }
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

function serviceText(service: Map<number, Buffer>): string {
  const [family, protocol, address, port, fwmark] = [1, 2, 3, 4, 5].map((type) => service.get(type))
  if (fwmark !== undefined && fwmark.readUInt32LE() !== 0) return `fwmark ${fwmark.readUInt32LE()}`
  if (family === undefined || protocol === undefined || address === undefined || port === undefined) return ''
  return `${PROTOCOLS[protocol.readUInt16LE()]} ${endpointText(address, family.readUInt16LE(), port)}`
}

function destinationText(destination: Map<number, Buffer>, service: Map<number, Buffer>): string {
  const [address, port] = [destination.get(1), destination.get(2)]
  if (address === undefined || port === undefined) return ''
  const family = destination.get(11) ?? service.get(1)
  return endpointText(address, family?.readUInt16LE() ?? 2, port)
}

function endpointText(address: Buffer, family: number, port: Buffer): string {
  if (family === 2) return `${[...address.subarray(0, 4)].join('.')}:${port.readUInt16BE()}`
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16))
  return `[${groups.join(':')}]:${port.readUInt16BE()}`
}
