import { describe, expect, it } from 'vitest'
import { PointsmanError } from '../../../../src/errors.ts'
import type { NftCommand } from '../../../../src/kernel/for-sinks.ts'
import { ALL_SERVED, keys, rig, service, state, translated } from './rig.ts'

const WEB = 'tcp/10.9.0.1:80'
const DNS = 'udp/10.9.0.1:53'
const has = (text: string) => (command: NftCommand) => JSON.stringify(command).includes(text)

describe('where nftables fails', () => {
  it('one refused service holds back no other, is tried again later, and at once when it wants something else', async () => {
    const { pass, kernel, elements, wait } = rig()
    const others = Array.from({ length: 100 }, (_, index) => translated(`tcp/10.9.1.${index}:80`))
    kernel.refuse = has('10.0.0.66')
    const bad = translated(WEB, '10.0.0.66')
    const { opened } = await pass(state([...others, bad]))
    expect(opened.unconfirmed).toEqual(keys(WEB))
    expect(opened.failed).toMatchObject([{ object: WEB, code: 'KERNEL_REFUSED' }])
    expect(elements()).toHaveLength(100)
    const writes = kernel.transactions.length
    const waiting = await pass(state([...others, bad]), 'full')
    expect(waiting.opened.unconfirmed).toEqual(keys(WEB))
    expect(kernel.transactions).toHaveLength(writes)
    wait(Number(waiting.opened.wakeAt))
    kernel.refuse = undefined
    expect((await pass(state([...others, bad]))).opened).toMatchObject({
      unconfirmed: keys(),
      failed: [],
      applied: { 'add-element': 1 },
    })
    kernel.refuse = has('10.0.0.67')
    await pass(state([...others, translated(WEB, '10.0.0.67')]))
    expect(elements()?.find((text) => text.includes(' 10.9.0.1 '))).toContain('10.0.0.66')
    const settled = await pass(state([...others, translated(WEB, '10.0.0.68')]))
    expect(settled.opened).toMatchObject({ unconfirmed: keys(), failed: [] })
  })

  it('does not try each of thousands by itself where none is taken', async () => {
    const { pass, kernel } = rig()
    let tries = 0
    kernel.refuse = (command) => {
      if (JSON.stringify(command).startsWith('{"add":{"element"')) tries += 1
      return has('"element"')(command)
    }
    const many = Array.from({ length: 2_000 }, (_, index) => translated(`tcp/10.10.${index >> 8}.${index & 255}:80`))
    const { opened } = await pass(state(many))
    expect(opened.failed).toHaveLength(2_000)
    expect(opened.unconfirmed.size).toBe(2_000)
    expect(tries).toBeLessThan(200)
  })

  it('reads again when a transaction is refused because somebody was quicker, and goes on', async () => {
    const { pass, kernel, sink, elements } = rig()
    await pass(state([translated(WEB)]))
    expect(sink.connections().size).toBe(0)
    // Nobody told the sink.
    await kernel.apply([{ delete: { table: { family: 'inet', name: 'pointsman' } } }])
    const { opened } = await pass(state([translated(WEB), translated(DNS)]), 'changes', ALL_SERVED)
    expect(opened).toMatchObject({ unconfirmed: keys(), failed: [], driftRepaired: 2 })
    expect(elements()).toHaveLength(2)
    await kernel.apply([{ delete: { table: { family: 'inet', name: 'pointsman' } } }])
    const { closed } = await pass(state([translated(DNS)]))
    expect(closed.failed).toEqual([])
    await pass(state([translated(DNS)]), 'full')
    expect(elements()).toEqual(['vip4 udp 10.9.0.1 53 => snat_masquerade'])
  })

  it('without nft services without source NAT go on, the others are unconfirmed until it is there', async () => {
    const { pass, kernel, wait } = rig()
    kernel.failure = new PointsmanError('NFT_MISSING', 'There is no nft.')
    const desired = state([translated(WEB), service(DNS)])
    const { opened, closed } = await pass(desired)
    expect(opened.unconfirmed).toEqual(keys(WEB))
    expect(closed.failed).toMatchObject([{ object: 'nftables table inet pointsman', code: 'NFT_MISSING' }])
    const { reads } = kernel
    await pass(desired)
    expect(kernel.reads).toBe(reads)
    // Nothing is known of it yet.
    await pass(desired, 'full')
    expect(kernel.reads).toBe(reads + 1)
    kernel.failure = undefined
    wait(2_000)
    expect((await pass(desired)).opened).toMatchObject({ unconfirmed: keys(), failed: [], driftRepaired: 0 })
  })

  it('without nft nothing is said where nobody wants source NAT', async () => {
    const { pass, kernel, warnings } = rig()
    kernel.failure = new PointsmanError('NFT_MISSING', 'There is no nft.')
    const { opened, closed } = await pass(state([service(DNS)]), 'full')
    expect([opened.failed, closed.failed, opened.wakeAt, warnings()]).toEqual([[], [], undefined, []])
    expect((await pass(state([service(DNS)]), 'full')).opened.failed).toEqual([])
    expect(kernel.reads).toBe(1)
  })

  it('what is known to be there stays confirmed while nft does not answer, and is read before anything is written again', async () => {
    const { pass, kernel, wait, elements } = rig()
    const web = translated(WEB)
    await pass(state([web]))
    kernel.failure = new PointsmanError('KERNEL_STUCK', 'nft does not come back.')
    const { opened } = await pass(state([web, translated(DNS)]))
    expect(opened.unconfirmed).toEqual(keys(DNS))
    expect(opened.failed).toMatchObject([{ code: 'KERNEL_STUCK' }])
    kernel.failure = undefined
    // What passed its deadline was done all the same.
    const late = rig({ kernel })
    await late.pass(state([web, translated(DNS)]))
    wait(2_000)
    expect((await pass(state([web, translated(DNS)]))).opened).toMatchObject({
      unconfirmed: keys(),
      driftRepaired: 0,
      applied: {},
    })
    expect(elements()).toHaveLength(2)
  })

  it('a full pass does not ask a kernel that hangs before its time either, and nothing is missed by that', async () => {
    const { pass, kernel, wait, elements } = rig()
    const web = translated(WEB)
    await pass(state([web]))
    kernel.failure = new PointsmanError('KERNEL_STUCK', 'nft does not come back.')
    await pass(state([web]), 'full')
    const { reads } = kernel
    await pass(state([web]), 'full')
    expect(kernel.reads).toBe(reads)
    kernel.failure = undefined
    kernel.flushRuleset()
    await pass(state([web]), 'full')
    expect(kernel.reads).toBe(reads)
    wait(5_000)
    await pass(state([web]))
    expect(elements()).toHaveLength(1)
  })

  it('goes on where the kernel tells nobody of changes', async () => {
    const { pass, kernel, elements } = rig()
    kernel.onChange = () => {
      throw new PointsmanError('NO_PERMISSION', 'Not allowed to listen.')
    }
    expect((await pass(state([translated(WEB)]))).opened).toMatchObject({ unconfirmed: keys(), failed: [] })
    kernel.flushRuleset()
    expect((await pass(state([translated(WEB)]), 'full')).opened.driftRepaired).toBe(2)
    expect(elements()).toHaveLength(1)
  })

  it('removing rejects where it fails', async () => {
    const { pass, kernel, sink } = rig()
    await pass(state([translated(WEB)]))
    kernel.failure = new PointsmanError('NO_PERMISSION', 'Not allowed.')
    await expect(sink.remove()).rejects.toThrow('Not allowed.')
    kernel.failure = undefined
    await sink.remove()
    expect(kernel.tables()).toEqual([])
  })
})
