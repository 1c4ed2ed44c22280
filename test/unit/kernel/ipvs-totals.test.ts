import { expect, test } from 'vitest'
import { parseIpvsTotals } from '../../../src/kernel/ipvs-totals.ts'

/** As Linux 6.1 writes it, with a total that needs more than 53 bits. */
const STATS = `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      1A      2B3        0 20000000000001            FFFF

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       4       3C        0            1282A                0
`

test('the totals of IPVS are read to the last digit', () => {
  expect(parseIpvsTotals(STATS)).toEqual({
    connections: 26n,
    packetsIn: 691n,
    packetsOut: 0n,
    bytesIn: 9_007_199_254_740_993n,
    bytesOut: 65_535n,
  })
})

test.each(['', 'a\nb\nc\n', 'a\nb\n1 2 3 4\n', 'a\nb\n1 2 3 4 zz\n'])('what is not such a file has no totals: %j', (text) => {
  expect(parseIpvsTotals(text)).toBeUndefined()
})
