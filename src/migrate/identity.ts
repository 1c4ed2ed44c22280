import { formatEndpoint } from '../model/address.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import type { Written } from './imported.ts'

/** The keys of a configuration that say what clients connect to. */
export function identityKeys(identity: ServiceIdentity): Written {
  return identity.kind === 'fwmark'
    ? { fwmark: identity.fwmark, ...(identity.family === 'ipv6' && { family: 'ipv6' }) }
    : { listen: formatEndpoint(identity.address, identity.port), protocol: identity.protocol }
}
