/** Runs what nftables and conntrack are relied on for in the network namespace of this process, which it empties, and prints the results as JSON. */
import { execFileSync } from 'node:child_process'
import { CONNTRACK_CONTRACT } from '../../support/conntrack-contract.ts'
import type { CheckResult } from '../../support/kernel-contract.ts'
import { NFTABLES_CONTRACT } from '../../support/netfilter-contract.ts'

// Listening alone keeps no process alive.
const alive = setInterval(() => {}, 60_000)
const results: CheckResult[] = []
for (const { name, run } of [...NFTABLES_CONTRACT, ...CONNTRACK_CONTRACT]) {
  execFileSync('/usr/sbin/nft', ['flush', 'ruleset'])
  try {
    await run()
    results.push({ name })
  } catch (error) {
    results.push({ name, fault: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}
execFileSync('/usr/sbin/nft', ['flush', 'ruleset'])
process.stdout.write(JSON.stringify(results))
clearInterval(alive)
// What a failed check left open must not keep it.
process.exit()
