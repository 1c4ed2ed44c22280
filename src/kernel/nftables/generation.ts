import { NETFILTER_HEADER, NFNL_SUBSYS_NFTABLES, NFPROTO_UNSPEC, netfilterType } from '../netfilter/constants.ts'
import { netfilterRequest } from '../netfilter/request.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { NLM_F_ACK } from '../netlink/constants.ts'
import type { Refusal } from '../netlink/error-reply.ts'
import { exchange } from '../netlink/exchange.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { NFT_MSG_GETGEN, NFT_MSG_NEWGEN, NFTA_GEN_ID } from './constants.ts'

export const NEW_GENERATION = netfilterType(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN)

/**
 * The number of the ruleset's generation in the namespace of the socket: every transaction counts it up by one. Takes no lock in the kernel.
 * Gives the refusal where the kernel has no nf_tables or the caller no right to it.
 */
export function askGeneration(transport: NetlinkTransport, buffer: Uint8Array): number | Refusal {
  let generation: number | undefined
  const type = netfilterType(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN)
  const request = netfilterRequest({ type, flags: NLM_F_ACK, sequence: 1, family: NFPROTO_UNSPEC })
  const refusal = exchange(transport, request, buffer, (message) => {
    if (message.type === NEW_GENERATION) generation = generationOf(message)
  })
  if (refusal !== undefined) return refusal
  if (generation === undefined) throw protocolError('the generation of the ruleset is not in it')
  return generation
}

/** The number in a message of type NEW_GENERATION. */
export function generationOf(message: MessageCursor): number {
  const attribute = new AttributeCursor(message.bytes)
  attribute.over(message.body + NETFILTER_HEADER, message.end)
  while (attribute.next()) if (attribute.type === NFTA_GEN_ID) return attribute.networkUint32()
  throw protocolError('a generation has no number')
}
