/**
 * What was asked of the kernel's IPVS, read from a capture of a netlink monitor device: the witness that knows nothing of
 * the daemon. Own constants on purpose (linux/ip_vs.h, linux/netlink.h, LINKTYPE_NETLINK of tcpdump).
 */

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

const LINKTYPE_NETLINK = 253
const NETLINK_GENERIC = 16
const NLM_F_REQUEST = 1
const PCAP_MAGIC = 0xa1b2c3d4

/** The requests to the generic netlink family `family`, in order. A capture that was cut short by its writer's end is read as far as it goes. */
export function ipvsRequests(capture: Buffer, family: number): IpvsRequest[] {
  if (capture.readUInt32LE(0) !== PCAP_MAGIC) throw new Error('not a pcap file of a little-endian machine in microseconds')
  if (capture.readUInt32LE(20) !== LINKTYPE_NETLINK) throw new Error(`link type ${capture.readUInt32LE(20)} is not netlink`)
  const requests: IpvsRequest[] = []
  let at = 24
  while (at + 16 <= capture.length) {
    const captured = capture.readUInt32LE(at + 8)
    const original = capture.readUInt32LE(at + 12)
    const packet = capture.subarray(at + 16, at + 16 + captured)
    at += 16 + captured
    // The cooked header is 16 bytes, the netlink protocol its last two, big endian.
    if (packet.length < captured || packet.readUInt16BE(14) !== NETLINK_GENERIC) continue
    if (captured < original) throw new Error(`a message of ${original} bytes was captured only up to ${captured}`)
    requests.push(...messageRequests(packet.subarray(16), family))
  }
  return requests
}

/** One datagram may carry many messages. */
function* messageRequests(datagram: Buffer, family: number): Generator<IpvsRequest> {
  let at = 0
  while (at + 16 <= datagram.length) {
    const length = datagram.readUInt32LE(at)
    if (length < 16) return
    const type = datagram.readUInt16LE(at + 4)
    const flags = datagram.readUInt16LE(at + 6)
    if (type === family && (flags & NLM_F_REQUEST) !== 0) {
      const command = COMMANDS[datagram.readUInt8(at + 16)]
      const attributes = readAttributes(datagram.subarray(at + 20, at + length))
      if (command === undefined) throw new Error(`unknown IPVS command ${datagram.readUInt8(at + 16)}`)
      const service = readAttributes(attributes.get(1))
      yield { command, service: serviceText(service), destination: destinationText(readAttributes(attributes.get(2)), service) }
    }
    at += (length + 3) & ~3
  }
}

function readAttributes(bytes: Buffer | undefined): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  let at = 0
  while (bytes !== undefined && at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at)
    if (length < 4) break
    attributes.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length))
    at += (length + 3) & ~3
  }
  return attributes
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
