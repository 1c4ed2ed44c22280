import { expect, test } from 'vitest'
import { nftMissingInKernel, nftNotInstalled } from '../../../src/kernel/nftables/words.ts'
import { openFirewallKernel } from '../../../src/kernel/open-firewall-kernel.ts'

test('a kernel without nftables has an empty ruleset', async () => {
  await using kernel = await openFirewallKernel(() => Promise.reject(nftMissingInKernel('EOPNOTSUPP')))
  expect(await kernel.nftables.readFilters()).toEqual([])
  await expect(kernel.nftables.apply([{}])).rejects.toMatchObject({ code: 'NFT_MISSING' })
})

test('a ruleset that cannot be seen is not empty', async () => {
  await expect(openFirewallKernel(() => Promise.reject(nftNotInstalled(undefined)))).rejects.toMatchObject({
    code: 'NFT_MISSING',
  })
})
