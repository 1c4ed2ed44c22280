import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { DurationTallies } from '../../../src/admin/duration-tallies.ts'

const BOUNDS = [0.001, 0.0025, 0.5, 10]
const FAMILY = { name: 'probe_seconds', help: 'How long: \\ and\nso on.' }

/** At a bound, beside it, under and above all of them. */
const seconds = fc.oneof(fc.constantFrom(0, ...BOUNDS, 11), fc.double({ min: 0, max: 20, noNaN: true }))

async function promText(histogram: Histogram, registry: Registry): Promise<string> {
  return `${await registry.getSingleMetricAsString((await histogram.get()).name)}\n`
}

it('says of any values what the histogram of prom-client says of them', async () => {
  const observed = fc.array(fc.tuple(seconds, fc.constantFrom('tcp', 'http')))
  await fc.assert(
    fc.asyncProperty(observed, async (values) => {
      const registry = new Registry()
      const options = { ...FAMILY, buckets: BOUNDS, registers: [registry] }
      const histogram = new Histogram({ ...options, labelNames: ['type'] })
      const tallies = new DurationTallies({ ...FAMILY, label: 'type', bounds: BOUNDS })
      for (const [value, type] of values) {
        histogram.observe({ type }, value)
        tallies.observe(value, type)
      }
      expect(tallies.text()).toBe(await promText(histogram, registry))
    }),
  )
})

it('has one series from the beginning where no label tells them apart', async () => {
  const registry = new Registry()
  const histogram = new Histogram({ ...FAMILY, buckets: BOUNDS, registers: [registry] })
  const tallies = new DurationTallies({ ...FAMILY, bounds: BOUNDS })
  expect(tallies.text()).toBe(await promText(histogram, registry))
  for (const value of [0.0025, 12]) {
    histogram.observe(value)
    tallies.observe(value)
  }
  expect(tallies.text()).toBe(await promText(histogram, registry))
})
