import { expect, test } from 'vitest'
import { faultsOfModel } from '../support/watching/dashboard-model.ts'
import { dashboard } from '../support/watching/rules.ts'
import { scratchDirectory } from './scratch.ts'

test("the dashboard is one by Grafana's own types: no key, word or option that it does not know", async () => {
  expect(await faultsOfModel(dashboard(), await scratchDirectory())).toEqual([])
})

test.each([
  ['an option of a panel', '"showHeader"', '"showHeadre"'],
  ['a word of an enumeration', '"lastNotNull"', '7'],
  ['a setting of a field', '"fillOpacity"', '"fillOpacitty"'],
  ['a kind of panel', '"type":"stat"', '"type":"stats"'],
  ['a place of the legend', '"placement":"bottom"', '"placement":"below"'],
])('%s that is misspelt would be seen', async (_, right, wrong) => {
  const text = JSON.stringify(dashboard())
  expect(text).toContain(right)
  const spoilt = JSON.parse(text.replace(right, wrong)) as object
  expect(await faultsOfModel(spoilt, await scratchDirectory())).not.toEqual([])
})
