import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import { familyOf, type IpAddress, isLinkLocal, parseAddress } from '../model/address.ts'

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

/** As `os.networkInterfaces` gives them. */
export type Interfaces = Readonly<
  Record<string, readonly { readonly address: string; readonly cidr: string | null }[] | undefined>
>

/**
 * An address of a network interface from which packets to `towards` can come, and that `accept` takes: one whose network has that address first, so that the
 * answer finds its way without a route. Link-local ones are of no use beyond their link. Undefined where there is none.
 */
export function addressOn(
  link: string,
  towards: IpAddress,
  accept: (address: IpAddress) => boolean,
  interfaces: Interfaces = networkInterfaces(),
): IpAddress | undefined {
  const family = familyOf(towards)
  const usable = Object.entries(interfaces)
    .flatMap(([label, addresses = []]) => (nameOf(label) === link ? addresses : []))
    .flatMap(({ address: text, cidr }) => {
      const address = parseAddress(text)
      if (address === undefined || familyOf(address) !== family || isLinkLocal(address) || !accept(address)) return []
      return [{ address, isNear: cidr !== null && hasInNetwork(cidr, towards) }]
    })
  return (usable.find(({ isNear }) => isNear) ?? usable[0])?.address
}

function hasInNetwork(cidr: string, address: IpAddress): boolean {
  const [network = '', length] = cidr.split('/')
  const list = new BlockList()
  list.addSubnet(network, Number(length), familyOf(address))
  return list.check(address, familyOf(address))
}

/** The network interface that has an address; undefined where none that is up has it. */
export function interfaceWith(address: IpAddress): string | undefined {
  const all = Object.entries(networkInterfaces())
  const label = all.find(([, addresses]) => addresses?.some((one) => parseAddress(one.address) === address))?.[0]
  return label === undefined ? undefined : nameOf(label)
}

/** An address with a label stands under that: `eth0:1`, and no interface has a colon in its name. */
function nameOf(label: string): string | undefined {
  return label.split(':')[0]
}
