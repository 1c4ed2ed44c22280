import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { type CheckResult, KERNEL_CONTRACT } from '../support/kernel-contract.ts'
import { privateNamespace } from './support/namespace.ts'

let lab: Lab
let results: ReadonlyMap<string, CheckResult>

beforeAll(async () => {
  lab = await sharedLab()
  await using namespace = await privateNamespace(lab, 'sink-contract')
  const netns = namespace.name
  // The sync daemon wants a link that is up and has an address.
  await lab.check('ip link add vs0 type dummy && ip addr add 10.88.0.1/24 dev vs0 && ip link set vs0 up multicast on', { netns })
  const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/kernel-contract.ts'), {
    netns,
    args: ['vs0'],
    timeoutMs: 120_000,
  })
  expect(code, stderr).toBe(0)
  results = new Map((JSON.parse(stdout) as CheckResult[]).map((result) => [result.name, result]))
})
afterAll(() => lab.close())

describe('a real kernel keeps what the sink relies on (the kernel in memory is held to the same)', () => {
  it.each(KERNEL_CONTRACT.map(({ name }) => name))('%s', (name) => {
    expect(results.get(name)).toEqual({ name })
  })
})
