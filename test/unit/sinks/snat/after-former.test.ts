import { describe, expect, it } from 'vitest'
import type { DesiredState } from '../../../../src/model/desired-state.ts'
import type { ServiceKey } from '../../../../src/model/virtual-service.ts'
import { createSnatSinkAfter } from '../../../../src/sinks/snat/after-former.ts'
import { FakeSnatSink, NO_NFT } from '../../../support/fake-sinks.ts'
import { ALL_SERVED, keys, NOTHING_SERVED, service, state, translated } from './rig.ts'

const WEB = 'tcp/10.9.0.1:80' as ServiceKey
const DNS = 'udp/10.9.0.1:53' as ServiceKey

/** A sink after a former one that translates `web`. */
function rig() {
  const steps: string[] = []
  const [sink, former] = [new FakeSnatSink(), new FakeSnatSink(steps)]
  former.translations.set(WEB, 'masquerade')
  const warnings: string[] = []
  const log = { info: () => {}, warn: (_: object, message: string) => void warnings.push(message), error: () => {} }
  const gone = async () => void steps.push('gone')
  const both = createSnatSinkAfter([{ name: 'former table', open: async () => former, gone }], sink, log)
  const pass = async (desired: DesiredState, still = NOTHING_SERVED) => {
    await both.open(desired, 'full', 0)
    return both.close(desired, still, 0)
  }
  return { both, sink, former, warnings, pass, did: () => steps.splice(0) }
}

describe('a former table', () => {
  it('goes once all that is asked for is in the new one', async () => {
    const { pass, sink, did } = rig()
    sink.refused.add(WEB)
    await pass(state([translated(WEB), translated(DNS)]))
    expect(did()).toEqual([])
    sink.refused.clear()
    await pass(state([translated(WEB), translated(DNS)]))
    await pass(state([translated(WEB), translated(DNS)]))
    expect(did()).toEqual(['no translations', 'gone'])
  })

  it('goes though entries of connections cannot be deleted, for it would go on translating as it was asked to before', async () => {
    const { pass, sink, did } = rig()
    const open = sink.open.bind(sink)
    const failure = {
      object: 'conntrack',
      code: 'KERNEL_REFUSED',
      message: 'The kernel does not list its connections.',
      retryAt: 1,
    }
    sink.open = async (...pass) => ({ ...(await open(...pass)), failed: [failure] })
    await pass(state([translated(WEB)]))
    expect(did()).toEqual(['no translations', 'gone'])
  })

  it('stays while something is not decided, which it alone translates', async () => {
    const { pass, did } = rig()
    await pass(state([translated(DNS)], { undecided: keys(WEB) }), ALL_SERVED)
    expect(did()).toEqual([])
    await pass(state([translated(DNS)]))
    expect(did()).toEqual(['no translations', 'gone'])
  })

  it('stays without what nobody needs while nobody asks for anything', async () => {
    const { pass, did } = rig()
    await pass(state([service(DNS)]), ALL_SERVED)
    expect(did()).toEqual([])
    expect((await pass(state([service(DNS)]))).applied).toEqual({ 'delete-element': 1 })
    expect(did()).toEqual([`untranslate ${WEB}`])
    await pass(state([translated(DNS)]))
    expect(did()).toEqual(['no translations', 'gone'])
  })

  it('that cannot be removed is told of once, and tried again at the end', async () => {
    const { both, former, pass, warnings, did } = rig()
    former.broken = NO_NFT
    await pass(state([translated(WEB)]))
    await pass(state([translated(WEB)]))
    expect(warnings).toEqual([
      'The former table of an earlier run cannot be removed, which is tried again at the next start: There is no nft here; install nftables.',
    ])
    await expect(both.remove()).rejects.toThrow(NO_NFT)
    former.broken = undefined
    await both.remove()
    expect(did()).toEqual(['no translations', 'gone'])
  })

  it('is closed with the sink', async () => {
    const { both, sink, former, pass } = rig()
    await pass(state([translated(WEB)]))
    await both[Symbol.asyncDispose]()
    expect([sink.isClosed, former.isClosed]).toEqual([true, true])
  })
})
