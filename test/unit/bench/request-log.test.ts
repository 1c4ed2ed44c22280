import { expect, it } from 'vitest'
import { requestsBetween } from '../../bench/guest/request-log.ts'

const LOG = `99.999 127.2.0.1
100.000 127.2.0.1
100.100 127.2.0.2
105.003 127.2.0.1
105.100 127.2.0.2
110.003 127.2.0.1
110.500 127.2.0.2
`

it('counts the requests of a time, and how long after one another each backend had them', () => {
  expect(requestsBetween(LOG, 100_000, 110_400)).toEqual({ requests: 5, gaps: [5_003, 5_000, 5_000] })
  expect(requestsBetween('', 0, 1)).toEqual({ requests: 0, gaps: [] })
})

it('passes over a line that is not whole yet', () => {
  expect(requestsBetween('100.000 127.2.0.1\n105.0', 100_000, 110_000)).toEqual({ requests: 1, gaps: [] })
})
