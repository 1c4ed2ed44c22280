import { expect, test } from 'vitest'
import { conntrackUsage } from '../../../src/daemon/conntrack-usage.ts'

const host = (max?: number) => ({
  readSysctl: (name: string) => (name === 'net.netfilter.nf_conntrack_count' ? 5 : max),
})

test('no limit is no limit of 0, of which any use would be more than all', () => {
  expect(conntrackUsage(host(100))).toEqual({ count: 5, max: 100 })
  expect(conntrackUsage(host(0))).toEqual({ count: 5, max: Number.POSITIVE_INFINITY })
  expect(conntrackUsage(host())).toBeUndefined()
})
