/**
 * Both ways to nftables side by side: `unshare --net node test/bench/native/nftables-ways.ts`. Prints medians and, of the same runs, the longest time that
 * a timer of 1 ms came late.
 */
import { openNftablesKernel } from '../../../src/kernel/for-daemon.ts'
import type { NftablesKernel, NftCommand } from '../../../src/kernel/for-sinks.ts'

const RUNS = 21
const FEW = 5
const IN_TABLE = { family: 'inet', table: 'bench' }

/** As source NAT has them: an original destination, and where to; the map counts what it matches. */
function element(number: number): unknown {
  return [{ concat: [`10.${number >> 14}.${(number >> 7) & 127}.${number & 127}`, 'tcp', 80] }, '10.0.0.9']
}

const elements = (verb: 'add' | 'delete', first: number, count: number): NftCommand[] => {
  const all = Array.from({ length: count }, (_, index) => element(first + index))
  const elem = verb === 'add' ? all : all.map((each) => (each as unknown[])[0])
  return [{ [verb]: { element: { ...IN_TABLE, name: 'map', elem } } }]
}

const SETUP: NftCommand[] = [
  { add: { table: { family: 'inet', name: 'bench' } } },
  { delete: { table: { family: 'inet', name: 'bench' } } },
  { add: { table: { family: 'inet', name: 'bench' } } },
  {
    add: {
      map: {
        ...IN_TABLE,
        name: 'map',
        type: ['ipv4_addr', 'inet_proto', 'inet_service'],
        map: 'ipv4_addr',
        stmt: [{ counter: null }],
      },
    },
  },
]

async function measure(what: string, runs: number, run: () => Promise<unknown>, undo: () => Promise<unknown> = async () => {}) {
  const times: number[] = []
  let late = 0
  for (let number = 0; number < runs; number++) {
    let last = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      late = Math.max(late, now - last - 1)
      last = now
    }, 1)
    const start = performance.now()
    await run()
    times.push(performance.now() - start)
    await new Promise((resolve) => setTimeout(resolve, 5))
    clearInterval(timer)
    await undo()
  }
  const median = times.toSorted((a, b) => a - b)[runs >> 1] ?? 0
  console.log(`  ${what.padEnd(40)} ${median.toFixed(1).padStart(8)} ms, a timer late by ${late.toFixed(1)} ms at most`)
}

async function measureWay(kernel: NftablesKernel): Promise<void> {
  console.log(kernel.by)
  await kernel.apply(SETUP)
  await kernel.apply(elements('add', 0, 10_000))
  const one = elements('add', 10_000, 1)
  await measure(
    'one element added to 10,000',
    RUNS,
    () => kernel.apply(one),
    () => kernel.apply(elements('delete', 10_000, 1)),
  )
  await measure('10,000 elements read', FEW, () => kernel.readTable('inet', 'bench'))
  const many = elements('add', 10_001, 5_000)
  await measure(
    '5,000 elements added in one transaction',
    FEW,
    () => kernel.apply(many),
    () => kernel.apply(elements('delete', 10_001, 5_000)),
  )
  console.log(`  resident memory afterwards ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`)
}

for (const by of ['nft', 'libnftables'] as const) {
  await using kernel = await openNftablesKernel({ by })
  await measureWay(kernel)
}
