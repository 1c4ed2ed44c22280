import { expect, test } from 'vitest'
import { usesOf } from '../../support/watching/promql.ts'

test('metrics, labels and values are found in a query, functions and words are not', () => {
  const query = `max by (job, state) (rate(a_total{job=~".*", code!="x, y}"}[5m])) / on (job) group_left c:d:rate5m
    unless (histogram_quantile(0.99, sum without (le) (b_bucket)) > 1.5e3 or vector(0) offset 5m)`
  expect(usesOf(query)).toEqual({
    selectors: [
      {
        metric: 'a_total',
        matchers: [
          { label: 'job', operator: '=~', value: '.*' },
          { label: 'code', operator: '!=', value: 'x, y}' },
        ],
      },
      { metric: 'c:d:rate5m', matchers: [] },
      { metric: 'b_bucket', matchers: [] },
    ],
    grouping: ['job', 'state', 'job', 'le'],
  })
})
