import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { KindNumbers } from '../../../../src/health/threads/kind-numbers.ts'
import type { ProbeKind } from '../../../../src/model/probe-spec.ts'

it('has a number for each kind, and tells of those that nobody knows any more', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const numbers = new KindNumbers()
  const gone: number[] = []
  const end = numbers.onGone((number) => gone.push(number))
  const kept: ProbeKind = { kind: 'tcp' }
  const once = () => numbers.of({ kind: 'tcp' })
  expect([numbers.of(kept), numbers.of(kept), once()]).toEqual([1, 1, 2])
  await expect
    .poll(() => {
      collect()
      return gone
    })
    .toEqual([2])
  expect(numbers.of(kept)).toBe(1)
  end()
})
