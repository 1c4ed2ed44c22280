import { describe, expect, it } from 'vitest'
import { FakeKernel } from '../../../support/fake-kernel.ts'
import { runContract } from '../../../support/kernel-contract.ts'

describe('the kernel in memory', () => {
  it('answers as a real one does (test/kernel/sink-contract.test.ts holds a real one to the same)', async () => {
    const results = await runContract(new FakeKernel(), { link: 'eth0' })
    expect(results.filter(({ fault }) => fault !== undefined)).toEqual([])
    expect(results.length).toBeGreaterThan(10)
  })
})
