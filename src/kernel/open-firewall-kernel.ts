import { PointsmanError } from '../errors.ts'
import type { FirewallKernel } from './firewall-kernel.ts'
import { openIptablesFilter } from './open-iptables-kernel.ts'
import { openNftablesKernel } from './open-nftables-kernel.ts'

/**
 * The filters of the network namespace of this process. Rejects with NFT_MISSING where the kernel has nftables and nothing to ask it with is installed,
 * NO_PERMISSION, KERNEL_REFUSED or UNSUPPORTED_PLATFORM.
 */
export async function openFirewallKernel(open = openNftablesKernel): Promise<FirewallKernel> {
  const iptables = openIptablesFilter()
  try {
    const nftables = await open()
    return { nftables, iptables, [Symbol.asyncDispose]: () => nftables[Symbol.asyncDispose]() }
  } catch (error) {
    // Without an errno it is not the kernel that lacks it: what is in it cannot be seen, which is not nothing.
    if (!(error instanceof PointsmanError) || error.code !== 'NFT_MISSING' || error.detail?.['errno'] === undefined) throw error
    const nftables = {
      readFilters: async () => [],
      apply: () => Promise.reject(error),
      onChange: () => () => undefined,
    }
    return { nftables, iptables, [Symbol.asyncDispose]: async () => undefined }
  }
}
