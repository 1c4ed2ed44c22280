import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { familyOf, type IpAddress, parseAddress } from '../model/address.ts'

/** Any port: nothing is sent there. */
const DISCARD = 9

/** The address of this host that the routing table gives to packets for another one; undefined where no way leads there. */
export async function addressTowards(address: IpAddress): Promise<IpAddress | undefined> {
  const socket = createSocket(familyOf(address) === 'ipv6' ? 'udp6' : 'udp4')
  try {
    const connected = once(socket, 'connect')
    socket.connect(DISCARD, address)
    await connected
    return parseAddress(socket.address().address)
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}

/** The network interface that has an address; undefined where none that is up has it. */
export function interfaceWith(address: IpAddress): string | undefined {
  const all = Object.entries(networkInterfaces())
  const name = all.find(([, addresses]) => addresses?.some((one) => parseAddress(one.address) === address))?.[0]
  // An address with a label stands under that: `eth0:1`, and no interface has a colon in its name.
  return name?.split(':')[0]
}
