import { describe, expect, it } from 'vitest'
import { MemoryOwnership } from '../../../src/library/memory-ownership.ts'
import { OpenedIpvs } from '../../../src/library/opened-ipvs.ts'
import {
  type DesiredState,
  desiredState,
  formatIssue,
  type Issue,
  type OpenOptions,
  PointsmanError,
  parseConfiguration,
  plan,
} from '../../../src/library.ts'
import { roadName } from '../../../src/model/probe-road.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from '../../support/desired.ts'
import { FakeKernel } from '../../support/fake-kernel.ts'
import { commandText } from '../sinks/ipvs/rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))
const A = '10.1.0.1:80'
const B = '10.1.0.2:80'

const wanted = (...backends: (string | object)[]): DesiredState =>
  desiredState(parseConfiguration({ services: [{ name: 'web', listen: '10.0.0.1:80', scheduler: 'wrr', backends }] }).services)

function opened(options: { kernel?: FakeKernel; ownership?: MemoryOwnership; access?: OpenOptions['access'] } = {}) {
  const { kernel = new FakeKernel(), ownership = new MemoryOwnership(), access = 'write' } = options
  const ipvs = new OpenedIpvs({ kernel, ownership, access, parts: kernel })
  return { kernel, ownership, ipvs, written: () => kernel.written.splice(0).map(commandText) }
}

const kinds = ({ changes }: { changes: readonly { kind: string }[] }) => changes.map(({ kind }) => kind)

/** Whether a drain is over shows on two reads, between which a second passes. */
const DRAINS = 30_000

describe('parseConfiguration', () => {
  it('takes a text or an object, and gives services with every default', () => {
    const object = { services: [{ name: 'web', listen: '10.0.0.1:80', backends: [A] }] }
    const fromText = parseConfiguration('services: [{ name: web, listen: "10.0.0.1:80", backends: ["10.1.0.1:80"] }]')
    expect(parseConfiguration(object)).toEqual(fromText)
    expect(fromText.services).toMatchObject([{ name: 'web', scheduler: 'wlc', weight: 1, drainTimeout: 300_000 }])
    expect(fromText.warnings).toEqual([])
  })

  it('throws every fault with its place and its remedy', () => {
    const text =
      'services:\n  - name: web\n    listen: 10.0.0.1:80\n    wieght: 5\n    backends: [{ address: 10.1.0.1:80, weight: 70000 }]\n'
    const error = caught(() => parseConfiguration(text, { path: 'mine.yaml' }))
    expect(error.code).toBe('CONFIG_INVALID')
    expect((error.detail['issues'] as Issue[]).map(formatIssue)).toEqual([
      expect.stringMatching(/^mine\.yaml:4:5: services\[0\]\.wieght: .*weight/),
      expect.stringMatching(/^mine\.yaml:5:.*70000 is above 65535/),
    ])
  })

  it('reads no other files, and only the environment that it is given', () => {
    expect(caught(() => parseConfiguration({ include: 'x.yaml', services: [] })).code).toBe('CONFIG_INVALID')
    const services = [{ name: `\${env.PATH}`, listen: '10.0.0.1:80', backends: [] }]
    expect(caught(() => parseConfiguration({ services })).message).toMatch(/PATH/)
    expect(parseConfiguration({ services }, { environment: { PATH: 'p' } }).services[0]?.name).toBe('p')
  })
})

describe('desiredState', () => {
  it('is incomplete where a source has the backends: what is written is added and nothing is removed', async () => {
    const services = [{ name: 'web', listen: '10.0.0.1:80', source: { consul: { service: 'web' } }, backends: [A] }]
    const { ipvs } = opened()
    await ipvs.apply(await ipvs.plan(wanted(A, B)))
    expect(kinds(await ipvs.plan(desiredState(parseConfiguration({ services }).services)))).toEqual(['edit-service'])
  })

  it.each([
    ['full_nat', { full_nat: true }],
    ['virtual_address', { virtual_address: { interface: 'eth0' } }],
  ])('refuses %s, which it does not do', (name, more) => {
    const { services } = parseConfiguration({ services: [{ name: 'web', listen: '10.0.0.1:80', backends: [A], ...more }] })
    const error = caught(() => desiredState(services))
    expect(error).toMatchObject({ code: 'BAD_INPUT', message: expect.stringContaining(`web asks for ${name}`) })
  })

  it('refuses one service twice', () => {
    const { services } = parseConfiguration({ services: [{ name: 'web', listen: '10.0.0.1:80', backends: [A] }] })
    expect(caught(() => desiredState([...services, ...services])).code).toBe('BAD_INPUT')
  })
})

describe('plan', () => {
  it('removes nothing of which nobody says that it is ours', async () => {
    const kernel = new FakeKernel()
    kernel.tamper(
      { kind: 'add-service', service: virtual(WEB) },
      { kind: 'add-destination', service: identity(WEB), destination: held(B) },
      { kind: 'add-service', service: virtual('tcp/10.0.0.9:80') },
    )
    const planned = await plan(await kernel.readTable(), wanted(A))
    expect(kinds(planned)).toEqual(['add-destination', 'edit-service'])
    expect(planned.foreign.map(({ kind }) => kind)).toEqual(['service', 'destination'])
    expect(kernel.written).toEqual([])
  })

  it(
    'drains what is ours and not desired any more, and ends the drain at its deadline',
    async () => {
      const { ipvs, kernel } = opened()
      await ipvs.apply(await ipvs.plan(wanted(A, B)))
      kernel.setConnections(webKey, key(B), { active: 1 })
      const leaving = await ipvs.plan(wanted(A))
      expect(leaving.changes).toMatchObject([{ kind: 'edit-destination', before: { weight: 1 }, after: { weight: 0 } }])
      expect((await ipvs.apply(leaving)).draining).toBe(1)
      const table = await ipvs.readTable()
      const { deadline = 0 } = ipvs.owned.services.get(webKey)?.drains.get(key(B)) ?? {}
      expect(kinds(await plan(table, wanted(A), { owned: ipvs.owned, now: deadline - 1 }))).toEqual([])
      expect(kinds(await plan(table, wanted(A), { owned: ipvs.owned, now: deadline }))).toEqual(['delete-destination'])
    },
    DRAINS,
  )

  it('keeps weights where it is asked to', async () => {
    const { ipvs, written } = opened()
    await ipvs.apply(await ipvs.plan(wanted(A)))
    const heavier = wanted({ address: A, weight: 7 })
    expect(kinds(await ipvs.plan(heavier, { keepWeights: true }))).toEqual([])
    written()
    await ipvs.apply(await ipvs.plan(heavier, { keepWeights: true }))
    expect(written()).toEqual([])
    await ipvs.apply(await ipvs.plan(heavier))
    expect(written()).toEqual([`edit-destination ${WEB} ${A} weight 7`])
  })

  it('leaves services alone that carry the probes of a daemon which rests', async () => {
    const { ipvs, ownership } = opened()
    const probes = identity('fwmark/7/ipv4')
    await ownership.write([{ do: 'own-service', service: probes, name: roadName(webKey, key(A)) }])
    expect(kinds(await ipvs.plan(desiredState([])))).toEqual([])
    expect(kinds(await plan(new Map(), desiredState([]), { owned: ipvs.owned }))).toEqual([])
  })
})

describe('apply', () => {
  it('says of each object what became of it; what the kernel refuses of one stops no other', async () => {
    const { ipvs, kernel } = opened()
    kernel.refuse = (command) =>
      command.kind === 'add-destination' && command.destination.address === '10.1.0.2' ? 'EINVAL' : undefined
    const { ok, results } = await ipvs.apply(await ipvs.plan(wanted(A, B)))
    expect(ok).toBe(false)
    expect(results.map(({ change: { kind }, outcome }) => `${kind} ${outcome}`)).toEqual([
      'add-service done',
      'add-destination done',
      'add-destination failed',
    ])
    expect(results[2]).toMatchObject({ code: 'KERNEL_REFUSED', message: expect.stringContaining('10.1.0.2:80') })
  })

  it('changes nothing where the table is not the one that was planned for', async () => {
    const { ipvs, kernel, written } = opened()
    const planned = await ipvs.plan(wanted(A))
    kernel.tamper({ kind: 'add-service', service: virtual(WEB, { scheduler: 'rr' }) })
    await expect(ipvs.apply(planned)).rejects.toMatchObject({
      code: 'PLAN_OUTDATED',
      message: expect.stringContaining(`edit-service ${WEB}`),
    })
    expect(written()).toEqual([])
    const { ok } = await ipvs.apply(await ipvs.plan(wanted(A)))
    expect(ok).toBe(true)
  })

  it('does not make again what somebody else has made meanwhile', async () => {
    const { ipvs, kernel, written } = opened()
    await ipvs.apply(await ipvs.plan(wanted(A)))
    const planned = await ipvs.plan(wanted(A, B))
    kernel.tamper({ kind: 'add-destination', service: identity(WEB), destination: held(B) })
    written()
    expect((await ipvs.apply(planned)).results).toMatchObject([{ outcome: 'not made' }])
    expect(written()).toEqual([])
  })

  it('deletes nothing by a plan that was made without knowing what is ours', async () => {
    const { ipvs, written } = opened()
    await ipvs.apply(await ipvs.plan(wanted(A, B)))
    written()
    const blind = await plan(await ipvs.readTable(), wanted(A))
    expect(blind.changes).toEqual([])
    await expect(ipvs.apply(blind)).rejects.toMatchObject({ code: 'PLAN_OUTDATED' })
    expect(written()).toEqual([])
  })

  it(
    'lets an idle backend go before it resolves, and the service after its last one',
    async () => {
      const { ipvs, kernel } = opened()
      await ipvs.apply(await ipvs.plan(wanted(A, B)))
      const one = await ipvs.apply(await ipvs.plan(wanted(A)))
      expect(one).toMatchObject({ ok: true, draining: 0, results: [{ change: { kind: 'edit-destination' }, outcome: 'done' }] })
      expect([...((await ipvs.readTable()).get(webKey)?.destinations.keys() ?? [])]).toEqual([A])
      await ipvs.apply(await ipvs.plan(desiredState([])))
      expect(kernel.service(webKey)).toBeUndefined()
      expect(ipvs.owned.services.size).toBe(0)
    },
    DRAINS,
  )

  it(
    'ends a drain whose connections ended after the apply that began it',
    async () => {
      const { ipvs, kernel } = opened()
      await ipvs.apply(await ipvs.plan(wanted(A, B)))
      kernel.setConnections(webKey, key(B), { active: 1 })
      expect((await ipvs.apply(await ipvs.plan(wanted(A)))).draining).toBe(1)
      kernel.setConnections(webKey, key(B), { active: 0 })
      expect(await ipvs.apply(await ipvs.plan(wanted(A)))).toMatchObject({ ok: true, draining: 0 })
      expect(kernel.destination(webKey, key(B))).toBeUndefined()
    },
    DRAINS,
  )

  it('is for handles that may write', async () => {
    const { ipvs, written } = opened({ access: 'read' })
    await expect(ipvs.apply(await ipvs.plan(wanted(A)))).rejects.toMatchObject({ code: 'BAD_INPUT' })
    expect(written()).toEqual([])
  })

  it('is done one after the other, and closing waits for it', async () => {
    const { ipvs, kernel } = opened()
    const planned = await ipvs.plan(wanted(A))
    const both = Promise.all([ipvs.apply(planned), ipvs.apply(planned)])
    await ipvs.close()
    const [first, second] = await both
    expect(first.results.map(({ outcome }) => outcome)).toEqual(['done', 'done'])
    expect(second.results.map(({ outcome }) => outcome)).toEqual(['not made', 'not made'])
    await expect(kernel.readTable()).rejects.toThrow()
  })
})

function caught(work: () => unknown): PointsmanError {
  try {
    work()
  } catch (error) {
    if (error instanceof PointsmanError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
