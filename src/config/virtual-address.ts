import type { z } from 'zod'
import { accepted } from '../document/reading.ts'
import { derived, either, mapping, optional } from '../document/schema.ts'
import { choice, truth } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { interfaceName } from '../document/values/network-link.ts'
import type { QuorumSpec } from '../model/policy-spec.ts'
import type { VirtualAddressSpec } from '../model/service-spec.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import type { BuiltService } from './build-service.ts'
import { type Draft, effective } from './draft.ts'
import type { Findings } from './findings.ts'
import { byInheritance } from './service-rules.ts'

/** Milliseconds. */
const INITIAL_HOLD = 10_000

/** The quorum of a service that says none and is to be announced by it. */
export const LEAST_QUORUM: QuorumSpec = { by: 'count', min: 1, hysteresis: 0 }

/** The address as written; whether its quorum is any is seen elsewhere. */
type WrittenVirtualAddress = VirtualAddressSpec & { readonly holdIsWritten: boolean }

const longForm = mapping(
  {
    interface: optional(
      interfaceName,
      'Interface that gets the address; left out: that of the prefix which has it, else one of our own.',
    ),
    announce_when: optional(
      choice(['always', 'quorum']),
      'quorum: the address is there only while the quorum is had (one backend, where the service has no quorum); always by default.',
    ),
    hold: optional(
      duration({ min: 0, max: 3_600_000 }),
      'How long the quorum must have been lost before the address is taken away; 10s by default.',
    ),
  },
  'Where the address of the service is put, and when.',
)

/** `true`, `false` or a mapping. */
export const virtualAddressSchema = either(
  truth,
  derived(longForm, (written: z.output<typeof longForm>) =>
    accepted<WrittenVirtualAddress>({
      ...(written.interface !== undefined && { interface: written.interface }),
      announceWhen: written.announce_when ?? 'always',
      hold: written.hold ?? INITIAL_HOLD,
      holdIsWritten: written.hold !== undefined,
    }),
  ),
  'Whether the address of listen is put on an interface of this host, and where and when; false by default: somebody else does.',
)

/** Undefined where nobody asks for it, and (with a finding) where it cannot be had. */
export function readVirtualAddress(draft: Draft, identity: ServiceIdentity, findings: Findings): VirtualAddressSpec | undefined {
  const { value, path, inherited } = effective(draft, 'virtual_address')
  if (value === undefined || value === false) return undefined
  const suffix = byInheritance(draft, inherited)
  if (identity.kind === 'fwmark') {
    const problem = `the addresses of a fwmark service are known to the firewall alone, so virtual_address cannot place them${suffix}`
    findings.refuse(path, problem, 'write virtual_address: false', 'key')
    return undefined
  }
  if (value === true) return { announceWhen: 'always', hold: INITIAL_HOLD }
  const { holdIsWritten, ...spec } = value
  if (holdIsWritten && spec.announceWhen === 'always') {
    const remedy = 'write announce_when: quorum, or remove hold'
    findings.warn(path, `hold has no effect on an address that is always announced${suffix}`, remedy)
  }
  return spec
}

/** One address is on one interface, whichever services have it. */
export function checkVirtualAddresses(services: readonly BuiltService[], findings: Findings): void {
  const places = new Map<string, { readonly name: string; readonly interface: string | undefined }>()
  for (const { draft, spec } of services) {
    if (spec?.virtualAddress === undefined || spec.identity.kind === 'fwmark') continue
    const { address } = spec.identity
    const place = { name: spec.name, interface: spec.virtualAddress.interface }
    const other = places.get(address)
    if (other === undefined) {
      places.set(address, place)
      continue
    }
    if (other.interface === place.interface) continue
    const where = other.interface ?? 'left to Pointsman'
    const problem = `the interface of ${address} is ${where} in the service "${other.name}" and ${place.interface ?? 'left to Pointsman'} here`
    findings.refuse(effective(draft, 'virtual_address').path, problem, 'write the same interface in both')
  }
}
