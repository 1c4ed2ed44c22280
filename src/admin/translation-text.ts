import type { ServiceIdentity } from '../model/virtual-service.ts'
import { type Family, labelText } from './exposition.ts'
import { familyText } from './family-text.ts'
import { Pace } from './pace.ts'
import { serviceLabels } from './traffic-ledger.ts'

/** Connections of a service that were translated to a source address of ours. */
export interface Translated {
  readonly name: string
  readonly identity: ServiceIdentity
  readonly connections: bigint
}

export const TRANSLATION_FAMILY: Family = {
  name: 'pointsman_service_translated_connections_total',
  type: 'counter',
  help: 'Connections of the service that got a source address of ours (full_nat), since its translation was first seen.',
}

/** The series of services with source NAT, piece by piece. */
export async function* translationText(services: Iterable<Translated>): AsyncGenerator<string> {
  const line = ({ name, identity, connections }: Translated) =>
    `${TRANSLATION_FAMILY.name}{${labelText(serviceLabels(name, identity))}} ${connections}\n`
  yield* familyText(TRANSLATION_FAMILY, [...services], line, new Pace())
}
