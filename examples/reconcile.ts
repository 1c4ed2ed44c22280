// A load balancer of one's own in a page: a JSON list of backends, written by whatever knows them, becomes a virtual service.
// [{ "address": "10.0.1.1:8080", "weight": 5 }, { "address": "10.0.1.2:8080" }]
// As root: node reconcile.ts backends.json 10.0.0.1:80 /var/lib/reconcile [--once]
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { desiredState, type Ipvs, openIpvs, PointsmanError, parseConfiguration } from 'pointsman'

const [list = 'backends.json', listen = '10.0.0.1:80', stateDir = '/var/lib/reconcile', once] = process.argv.slice(2)

// The one writer until the end of this block. What it made is on record in the directory: the next run removes what this one added.
await using ipvs = await openIpvs({ access: 'write', stateDir })
do {
  await reconcile(ipvs)
} while (once === undefined && (await sleep(2000, true)))

async function reconcile(table: Ipvs): Promise<void> {
  try {
    const backends: unknown = JSON.parse(readFileSync(list, 'utf8'))
    const { services } = parseConfiguration({ services: [{ name: 'web', listen, scheduler: 'wrr', backends }] }, { path: list })
    const { results, draining } = await table.apply(await table.plan(desiredState(services)))
    for (const result of results) {
      const { kind, name, reasons } = { reasons: [], ...result.change }
      console.log(`${result.outcome}: ${kind} of ${name}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`)
    }
    console.log(`${results.length} changes, ${draining} draining`)
  } catch (error) {
    // A half-written list, or somebody who changed the table in that moment: the kernel keeps what it has, the next round tries again.
    if (
      !(
        error instanceof SyntaxError ||
        (error instanceof PointsmanError && ['CONFIG_INVALID', 'PLAN_OUTDATED'].includes(error.code))
      )
    )
      throw error
    console.error(error.message)
    if (once !== undefined) process.exitCode = 1
  }
}
