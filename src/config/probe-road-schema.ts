import { mapping, optional, section, value } from '../document/schema.ts'
import { address } from '../document/values/endpoint.ts'
import { integer } from '../document/values/integer.ts'
import { listOf } from './shared-schema.ts'

const mark = integer('a firewall mark', 1, 4294967295)

const probeMarksSchema = mapping(
  {
    from: optional(mark, 'The first one.'),
    to: optional(mark, 'The last one.'),
  },
  'Firewall marks that probes with via: vip may use, one for each backend; 0x70000000 to 0x70003fff by default.',
  { required: ['from', 'to'] },
)

/** What `global:` says of probes with `via: vip`. */
export const probeRoadKeys = {
  probe_marks: section(probeMarksSchema).optional(),
  probe_source: listOf(
    value(address, 'An address of this host.'),
    'Addresses of this host that probes with via: vip come from, at most one of each family; by default that of the route to the backend.',
  ).optional(),
}
