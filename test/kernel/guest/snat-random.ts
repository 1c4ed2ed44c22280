/**
 * Random tables one into the next, in the nftables of this network namespace and in those in memory at once; prints what differed and how many
 * tables there were. Arguments: `libnftables` or `nft`, and how many tables.
 */
import fc from 'fast-check'
import { openNftablesKernel } from '../../../src/kernel/open-nftables-kernel.ts'
import { createSnatSink, type SnatSink } from '../../../src/sinks/snat/snat-sink.ts'
import { state } from '../../support/desired.ts'
import { elementsIn, FakeNftables } from '../../support/fake-nftables.ts'
import { randomServices } from '../../support/random-snat.ts'

const by = process.argv[2] === 'nft' ? 'nft' : 'libnftables'
await using kernel = await openNftablesKernel({ by })
const memory = new FakeNftables()
const sinks: readonly SnatSink[] = [createSnatSink({ kernel }), createSnatSink({ kernel: memory })]
const faults: unknown[] = []
const tables = fc.sample(randomServices, { numRuns: Number(process.argv[3] ?? 150), seed: 20_260_101 })
for (const [index, services] of tables.entries()) {
  const reports = await Promise.all(sinks.map((sink) => pass(sink, services, index % 10 === 9 ? 'full' : 'changes')))
  const [real, believed] = [await kernel.readTable('inet', 'pointsman'), await memory.readTable('inet', 'pointsman')]
  const [seen, expected] = [elementsIn(real ?? []), elementsIn(believed ?? [])]
  const same = JSON.stringify(reports[0]) === JSON.stringify(reports[1])
  if (!same || JSON.stringify(seen) !== JSON.stringify(expected)) faults.push({ index, seen, expected, reports })
}
await sinks[0]?.remove()
if ((await kernel.readTable('inet', 'pointsman')) !== undefined) faults.push('the table is still there')
process.stdout.write(JSON.stringify({ tables: tables.length, faults: faults.slice(0, 3) }))

async function pass(sink: SnatSink, services: (typeof tables)[number], scope: 'changes' | 'full'): Promise<unknown> {
  const opened = await sink.open(state(services), scope, 0)
  const closed = await sink.close(state(services), { service: () => false, destination: () => false }, 0)
  return [opened.applied, closed.applied, opened.failed, closed.failed, opened.driftRepaired, [...opened.unconfirmed]]
}
