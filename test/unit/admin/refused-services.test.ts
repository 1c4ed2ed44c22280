import { Gauge, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { RefusedServices } from '../../../src/admin/refused-services.ts'

function fresh() {
  const gauge = new Gauge({ name: 'refused', help: 'x', labelNames: ['catalog', 'service'], registers: [new Registry()] })
  const shown = async () => (await gauge.get()).values.map(({ labels }) => `${labels['catalog']} ${labels['service']}`)
  return { refused: new RefusedServices(gauge), shown }
}

test('a service has a series while it is refused', async () => {
  const { refused, shown } = fresh()
  refused.changed('consul', 'web', false)
  expect(await shown()).toEqual([])
  refused.changed('consul', 'web', true)
  refused.changed('consul', 'web', true)
  expect(await shown()).toEqual(['consul web'])
  refused.changed('consul', 'web', false)
  expect(await shown()).toEqual([])
})

test('a registry full of nonsense has a hundred of them, and no other is left out for it; who is hidden moves up', async () => {
  const { refused, shown } = fresh()
  const names = Array.from({ length: 10_000 }, (_, at) => `n${at}`)
  for (const name of names) refused.changed('consul', name, true)
  refused.changed('other', 'web', true)
  expect((await shown()).toSorted()).toEqual(['other web', ...names.slice(0, 100).map((name) => `consul ${name}`)].toSorted())
  // Hidden, shown, and hidden ones again.
  for (const name of ['n500', 'n7', 'n9999']) refused.changed('consul', name, false)
  const left = names.filter((name) => !['n500', 'n7', 'n9999'].includes(name))
  expect((await shown()).toSorted()).toEqual(['other web', ...left.slice(0, 100).map((name) => `consul ${name}`)].toSorted())
  for (const name of left) refused.changed('consul', name, false)
  expect(await shown()).toEqual(['other web'])
})
