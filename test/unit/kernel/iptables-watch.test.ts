import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { watchNatTables } from '../../../src/kernel/iptables-watch.ts'
import { SystemCallError } from '../../../src/kernel/libc.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Told = { readonly tables: ReadonlySet<string> | undefined }

it('tells of nat tables of iptables-nft, and of tables of iptables-legacy that have other rules, until it ends', () => {
  const legacy = new Map([['ipv4', '5 840']])
  let tell: (change: Told) => void = () => {}
  let isOpen = true
  const heard = vi.fn()
  const end = watchNatTables(heard, {
    legacy: (family) => legacy.get(family),
    ruleset: (listener) => {
      tell = listener
      return {
        [Symbol.dispose]: () => {
          isOpen = false
        },
      }
    },
  })
  tell({ tables: new Set(['inet firewalld', 'ip filter']) })
  vi.advanceTimersByTime(1_000)
  expect(heard).toHaveBeenCalledTimes(0)
  tell({ tables: new Set(['ip6 nat']) })
  expect(heard).toHaveBeenCalledTimes(1)
  tell({ tables: undefined })
  expect(heard).toHaveBeenCalledTimes(2)
  legacy.set('ipv6', '4 600')
  vi.advanceTimersByTime(1_000)
  expect(heard).toHaveBeenCalledTimes(3)
  end()
  legacy.clear()
  vi.advanceTimersByTime(1_000)
  expect([heard.mock.calls.length, isOpen]).toEqual([3, false])
})

it('looks at tables of iptables-legacy where the kernel has no nftables', () => {
  let rules = '4 600'
  const heard = vi.fn()
  const end = watchNatTables(heard, {
    legacy: () => rules,
    ruleset: () => {
      throw new SystemCallError('socket', 'EPROTONOSUPPORT')
    },
  })
  rules = '5 840'
  vi.advanceTimersByTime(1_000)
  expect(heard).toHaveBeenCalledTimes(1)
  end()
})
