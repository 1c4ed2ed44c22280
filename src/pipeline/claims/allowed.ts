import { addressBytes, familyOf, type IpAddress } from '../../model/address.ts'
import type { AllowRule, CatalogService, CatalogSpec, ListenRange } from '../../model/catalog-spec.ts'
import type { ServiceIdentity } from '../../model/virtual-service.ts'

/** The namespaces in which a catalog has to be asked; undefined is its own. */
export function namespacesOf(catalog: CatalogSpec): readonly (string | undefined)[] {
  return [...new Set(catalog.allow.map((rule) => namespaceOf(catalog, rule)))]
}

/** Whether a service may claim anything at all. */
export function mayClaim(catalog: CatalogSpec, claimant: CatalogService): boolean {
  return rulesFor(catalog, claimant).length > 0
}

/** Whether a service may claim this address, port and protocol. */
export function allows(catalog: CatalogSpec, claimant: CatalogService, identity: ServiceIdentity): boolean {
  return rulesFor(catalog, claimant).some((rule) => permits(rule, identity))
}

/** Whether any service of this namespace may claim the address, port and protocol. */
export function mayBeClaimed(catalog: CatalogSpec, namespace: string | undefined, identity: ServiceIdentity): boolean {
  return catalog.allow.some((rule) => namespaceOf(catalog, rule) === namespace && permits(rule, identity))
}

function permits({ listen, protocols }: AllowRule, identity: ServiceIdentity): boolean {
  if (identity.kind !== 'address' || !protocols.includes(identity.protocol)) return false
  return listen.some((range) => covers(range, identity.address, identity.port))
}

function rulesFor(catalog: CatalogSpec, { service, namespace }: CatalogService): readonly AllowRule[] {
  return catalog.allow.filter((rule) => namespaceOf(catalog, rule) === namespace && matches(rule.service, service))
}

/** Only Consul Enterprise takes a namespace, and its `default` is where everybody asks who names none. */
function namespaceOf({ instances }: CatalogSpec, { namespace }: AllowRule): string | undefined {
  return namespace === undefined || (namespace === 'default' && instances.namespace === undefined)
    ? instances.namespace
    : namespace
}

/** `*` stands for any text, the empty one included. Linear: a pattern of stars must not take for ever. */
export function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === name
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= name.length - last.length
}

function covers({ network, prefixLength, firstPort, lastPort }: ListenRange, address: IpAddress, port: number): boolean {
  if (port < firstPort || port > lastPort || familyOf(network) !== familyOf(address)) return false
  const wanted = addressBytes(network)
  return addressBytes(address).every((byte, index) => {
    const mask = (0xff00 >> Math.min(8, Math.max(0, prefixLength - index * 8))) & 0xff
    return (byte & mask) === (wanted[index] ?? 0)
  })
}
