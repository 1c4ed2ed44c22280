import { type IpAddress, parseAddress } from '../../model/address.ts'
import { accepted, type Grammar, refused, show, wrongType } from '../reading.ts'
import { isMulticast } from './endpoint.ts'

/** Bytes that a name may have: IFNAMSIZ less the terminating zero. */
const LONGEST_NAME = 15

/** Name of a network interface, as the kernel takes it (dev_valid_name in net/core/dev.c). */
export const interfaceName: Grammar<string> = {
  jsonSchema: { type: 'string', minLength: 1, maxLength: LONGEST_NAME },
  read(raw) {
    const remedy = 'write the name of a network interface, such as eth0'
    if (typeof raw === 'number' || typeof raw === 'boolean') return refused(`${raw} is not text`, `put it in quotes: "${raw}"`)
    if (typeof raw !== 'string') return wrongType(raw, 'text', remedy)
    if (raw.trim() === '') return refused('the text is empty', remedy)
    const length = Buffer.byteLength(raw)
    if (length > LONGEST_NAME)
      return refused(`${show(raw)} has ${length} bytes`, `${remedy}; the kernel takes ${LONGEST_NAME} at most`)
    if (/[\s/:\p{Cc}]/u.test(raw) || raw === '.' || raw === '..')
      return refused(`${show(raw)} cannot be the name of an interface`, `${remedy}, without blanks, slashes and colons`)
    return accepted(raw)
  },
}

/** Address of a multicast group: 224.0.0.0/4 or ff00::/8. */
export const multicastGroup: Grammar<IpAddress> = {
  jsonSchema: { type: 'string', examples: ['224.0.0.81', 'ff02::81'] },
  read(raw) {
    const remedy = 'write one from 224.0.0.0 to 239.255.255.255, or an IPv6 one that begins with ff'
    if (typeof raw !== 'string') return wrongType(raw, 'a multicast address', remedy)
    const parsed = parseAddress(raw)
    return parsed !== undefined && isMulticast(parsed)
      ? accepted(parsed)
      : refused(`${show(raw)} is not a multicast address`, remedy)
  },
}
