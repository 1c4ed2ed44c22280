/** Deletes the conntrack entries towards UDP ADDRESS PORT that carry no source translation and prints how many there were. */
import { openConntrackKernel } from '../../../src/kernel/for-daemon.ts'
import type { IpAddress } from '../../../src/model/address.ts'

const [address = '', port = ''] = process.argv.slice(2)
await using kernel = openConntrackKernel()
console.log(await kernel.deleteUntranslated([{ protocol: 'udp', address: address as IpAddress, port: Number(port) }]))
