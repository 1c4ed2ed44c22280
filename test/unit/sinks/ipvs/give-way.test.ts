import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { identity, key, service, state } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))
const before = state([service(WEB, ['10.1.0.1:80'])])
const after = state([service(WEB, ['10.1.0.1:80', '10.1.0.2:80'])])

describe('a full pass that is asked to give way', () => {
  it('ends while it reads, with nothing written and nothing forgotten; what follows costs what differs', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(before, 'full', 1_000)
    written()
    kernel.tamper({ kind: 'delete-destination', service: identity(WEB), destination: { address: '10.1.0.1' as never, port: 80 } })
    const asking = new AbortController()
    kernel.delay = 5
    const pass = sink.reconcile(after, 'full', 2_000, { signal: asking.signal })
    asking.abort()
    expect(await pass).toMatchObject({ gaveWay: true, applied: {}, failed: [], driftRepaired: 0 })
    expect(written()).toEqual([])
    const reads = kernel.reads
    const report = await sink.reconcile(after, 'changes', 2_010)
    expect(report.gaveWay).toBeUndefined()
    expect(kernel.reads - reads, 'nothing is read for a change').toBe(0)
    expect(written()).toEqual([`add-destination ${WEB} 10.1.0.2:80 weight 1`])
    const repaired = await sink.reconcile(after, 'full', 3_000, { signal: new AbortController().signal })
    expect(repaired).toMatchObject({ driftRepaired: 1, applied: { 'add-destination': 1 } })
    expect(kernel.destination(webKey, key('10.1.0.1:80'))).toBeDefined()
  })

  it('gives way as well when it has just read everything', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(before, 'full', 1_000)
    written()
    const asking = new AbortController()
    kernel.onRead = () => asking.abort()
    expect(await sink.reconcile(after, 'full', 2_000, { signal: asking.signal })).toMatchObject({ gaveWay: true })
    expect(written()).toEqual([])
    await sink.reconcile(after, 'changes', 2_010)
    expect(written()).toEqual([`add-destination ${WEB} 10.1.0.2:80 weight 1`])
  })

  it('does not while it knows nothing of the table, for then nobody can be faster', async () => {
    const { sink, written } = rig()
    expect((await sink.reconcile(before, 'full', 1_000, { signal: AbortSignal.abort() })).gaveWay).toBeUndefined()
    expect(written()).toHaveLength(2)
  })
})
