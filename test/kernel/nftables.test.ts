/** nftables and conntrack of a stock kernel by both ways; test/integration/nftables.test.ts asks the kernel of this machine the same. */
import { beforeAll, describe, expect, it } from 'vitest'
import { inCheckout } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { CONNTRACK_CONTRACT } from '../support/conntrack-contract.ts'
import type { CheckResult } from '../support/kernel-contract.ts'
import { NFTABLES_CONTRACT } from '../support/netfilter-contract.ts'
import { privateNamespace } from './support/namespace.ts'

let results: ReadonlyMap<string, CheckResult>

beforeAll(async () => {
  await using lab = await sharedLab()
  await using namespace = await privateNamespace(lab, 'nftables')
  const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/netfilter-contract.ts'), {
    netns: namespace.name,
    timeoutMs: 240_000,
  })
  expect(code, stderr).toBe(0)
  results = new Map((JSON.parse(stdout) as CheckResult[]).map((result) => [result.name, result]))
})

describe("the lab's kernel keeps what source NAT relies on", () => {
  it.each([...NFTABLES_CONTRACT, ...CONNTRACK_CONTRACT].map(({ name }) => name))('%s', (name) => {
    expect(results.get(name)).toEqual({ name })
  })
})
