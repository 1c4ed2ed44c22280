import { describe, expect, it } from 'vitest'
import { changedChecks, readCheckList } from '../../../../src/sources/consul/check-list.ts'

const check = (node: string, id: string, service = '') => ({ Node: node, CheckID: id, ServiceName: service, Status: 'critical' })

function list(...checks: readonly unknown[]) {
  const read = readCheckList(checks)
  if (read === undefined) throw new Error('no list')
  return read
}

describe('the checks of one state', () => {
  it('are compared by node and id, and not by what they say', () => {
    const before = list(check('n1', 'a', 'web'), check('n1', 'b', 'db'), check('n2', 'serfHealth'))
    const after = list(
      { ...check('n1', 'a', 'web'), Output: 'other words' },
      check('n3', 'a', 'web'),
      check('n1', '_node_maintenance'),
    )
    expect(changedChecks(before, after)).toEqual({ services: new Set(['db', 'web']), nodes: new Set(['n2', 'n1']) })
    expect(changedChecks(before, before)).toEqual({ services: new Set(), nodes: new Set() })
  })

  it('are read one by one', () => {
    expect(list(null, 7, { Node: 'n1' }, check('n1', 'a', 'web')).size).toBe(1)
    expect(readCheckList({})).toBeUndefined()
  })
})
