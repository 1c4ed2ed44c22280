import { type Backend, sameBackend } from '../model/backend.ts'
import { MEMBER_FIELDS, type Member, type MemberField } from './desired-update.ts'
import { type Members, NO_MEMBERS } from './hold.ts'

/** What of a backend each field is made of. Thresholds are stated together, so that no pair is made of two halves. */
const PARTS: { readonly [Field in MemberField]: readonly (keyof Backend)[] } = {
  weight: ['weight'],
  forwarding: ['forwarding'],
  thresholds: ['upperThreshold', 'lowerThreshold'],
  priority: ['priority'],
  state: ['state'],
  meta: ['meta'],
}

/**
 * All members of a service, from layers in the order of precedence. The first layer that names an address and port says
 * where the member comes from, and the first that states a field decides about it; of each field it is kept who did.
 * `fallback` layers give members that no other names, and no fields. A single layer is given back as it is, and
 * `previous` when nothing differs.
 */
export function mergeMembers(previous: Members, layers: readonly Members[], fallback: readonly Members[] = []): Members {
  const filled = layers.filter((layer) => layer.size > 0)
  const spare = fallback.filter((layer) => layer.size > 0)
  const [first = NO_MEMBERS, ...others] = filled.length === 0 ? spare.splice(0, 1) : filled
  if (others.length + spare.length === 0) return first
  const merged = new Map(first)
  for (const layer of others) {
    for (const [key, member] of layer) {
      const known = merged.get(key)
      merged.set(key, known === undefined ? member : completed(known, member))
    }
  }
  for (const layer of spare) for (const [key, member] of layer) if (!merged.has(key)) merged.set(key, member)
  for (const [key, member] of merged) {
    const old = previous.get(key)
    if (old !== undefined && old !== member && sameMember(old, member)) merged.set(key, old)
  }
  return sameMembers(previous, merged) ? previous : merged
}

/** Who decided about a field of a member. */
export function originOf({ origin, fields }: Member, field: MemberField): string {
  return fields?.[field] ?? origin
}

/** The member with the fields that only the other states. */
function completed(member: Member, other: Member): Member {
  const missing = MEMBER_FIELDS.filter((field) => !states(member.backend, field) && states(other.backend, field))
  if (missing.length === 0) return member
  const added = missing.flatMap((field) => PARTS[field].map((part) => [part, other.backend[part]] as const))
  const backend = { ...member.backend, ...Object.fromEntries(added.filter(([, value]) => value !== undefined)) }
  const fields = { ...member.fields, ...Object.fromEntries(missing.map((field) => [field, originOf(other, field)])) }
  return { backend, origin: member.origin, fields }
}

function states(backend: Backend, field: MemberField): boolean {
  return PARTS[field].some((part) => backend[part] !== undefined)
}

function sameMember(a: Member, b: Member): boolean {
  return (
    a.origin === b.origin &&
    sameBackend(a.backend, b.backend) &&
    MEMBER_FIELDS.every((field) => a.fields?.[field] === b.fields?.[field])
  )
}

function sameMembers(a: Members, b: Members): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [key, member] of a) if (b.get(key) !== member) return false
  return true
}
