/** One address of a network interface; without prefix length and zone. */
export interface InterfaceAddress {
  readonly family: 'ipv4' | 'ipv6'
  readonly address: string
}

/** The addresses of every network interface that is up, in the order of the kernel. */
export type Interfaces = Readonly<Record<string, readonly InterfaceAddress[]>>

/**
 * What stands behind `host.`: `eth0` and `eth0_0` are the first address of eth0, `eth0_1` the second one; IPv4 is numbered
 * before IPv6, as ipvsctl has it. `eth0.ipv6` is the first IPv6 address that is not link-local, `eth0.ipv6_1` the second one,
 * `eth0.ipv4_1` the second IPv4 address. A name that is an interface's own (`eth0.100`, `veth_1`) means that interface.
 */
export function hostAddress(name: string, interfaces: Interfaces): string | undefined {
  const all = addressesOf(name, interfaces)
  if (all !== undefined) return all[0]
  const numbered = /^(.+)_(\d{1,4})$/.exec(name)
  const [base, index] = numbered === null ? [name, 0] : [numbered[1] as string, Number(numbered[2])]
  return (addressesOf(base, interfaces) ?? ofFamily(base, interfaces))?.[index]
}

function addressesOf(name: string, interfaces: Interfaces): string[] | undefined {
  if (!Object.hasOwn(interfaces, name)) return undefined
  const addresses = interfaces[name] ?? []
  return [...only('ipv4', addresses), ...only('ipv6', addresses)]
}

function ofFamily(name: string, interfaces: Interfaces): string[] | undefined {
  const [, base, family] = /^(.+)\.(ipv4|ipv6)$/.exec(name) ?? []
  if (base === undefined || !Object.hasOwn(interfaces, base)) return undefined
  const addresses = only(family as InterfaceAddress['family'], interfaces[base] ?? [])
  return addresses.filter((address) => !/^fe[89ab][0-9a-f]:/i.test(address))
}

function only(family: InterfaceAddress['family'], addresses: readonly InterfaceAddress[]): string[] {
  return addresses.filter((each) => each.family === family).map(({ address }) => address)
}
