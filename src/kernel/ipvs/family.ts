import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import {
  CTRL_ATTR_FAMILY_ID,
  CTRL_ATTR_FAMILY_NAME,
  CTRL_CMD_GETFAMILY,
  GENERIC_HEADER,
  GENL_ID_CTRL,
  NLM_F_ACK,
  NLM_F_REQUEST,
} from '../netlink/constants.ts'
import { exchange, LARGEST_DATAGRAM } from '../netlink/exchange.ts'
import { MessageWriter } from '../netlink/message-writer.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { IPVS_FAMILY } from './constants.ts'
import { ipvsMissing, kernelRefused } from './refusals.ts'

/** Tries to load a kernel module; the sentence that says why it could not, undefined when it did. */
export type LoadModule = (name: string) => string | undefined

/**
 * The number under which this kernel knows the IPVS family. The question itself makes the kernel load the module where
 * it can; where it does not, modprobe is tried once. Throws IPVS_MISSING or NO_PERMISSION.
 */
export function resolveIpvsFamily(transport: NetlinkTransport, loadModule: LoadModule): number {
  const known = askFamily(transport)
  if (known !== undefined) return known
  const failure = loadModule('ip_vs')
  const loaded = askFamily(transport)
  if (loaded !== undefined) return loaded
  throw ipvsMissing(failure)
}

/** Id 0 is no family: a request of type 0 is acknowledged without being done, which looks like success. */
function askFamily(transport: NetlinkTransport): number | undefined {
  const buffer = Buffer.alloc(LARGEST_DATAGRAM)
  let id = 0
  const refusal = exchange(transport, familyRequest(), buffer, (message) => {
    const attributes = new AttributeCursor(buffer)
    attributes.over(message.body + GENERIC_HEADER, message.end)
    while (attributes.next()) if (attributes.type === CTRL_ATTR_FAMILY_ID) id = attributes.uint16()
  })
  if (refusal !== undefined && refusal.errno !== 'ENOENT') throw kernelRefused('look up its IPVS family', refusal)
  return refusal !== undefined || id === 0 ? undefined : id
}

function familyRequest(): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(64))
  const start = writer.begin(GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK, 1, CTRL_CMD_GETFAMILY)
  writer.text(CTRL_ATTR_FAMILY_NAME, IPVS_FAMILY)
  writer.end(start)
  return writer.bytes.subarray(0, writer.position)
}
