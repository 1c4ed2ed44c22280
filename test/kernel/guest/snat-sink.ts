/**
 * The source NAT sink in its network namespace. Standard input has one order a line, standard output one answer a line; `disturbed` comes
 * unasked. Arguments: `libnftables`, `nft`, `iptables-nft` or `iptables-legacy`; `heal` or nothing; the folder of iptables. With `heal` it repairs between passes, makes a full pass whenever it is disturbed, and prints what that did.
 */
import { createInterface } from 'node:readline'
import { openConntrackKernel } from '../../../src/kernel/open-conntrack-kernel.ts'
import { openIptablesKernel } from '../../../src/kernel/open-iptables-kernel.ts'
import { openNftablesKernel } from '../../../src/kernel/open-nftables-kernel.ts'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import {
  createIptablesSnatSink,
  createSnatSink,
  type SnatReport,
  type SnatSink,
  type StillServed,
} from '../../../src/sinks/snat/snat-sink.ts'
import { service, state } from '../../support/desired.ts'
import { translated } from '../../support/source-nat.ts'

export type SnatOrder = { readonly id: number } & (
  | {
      readonly do: 'pass'
      readonly services: readonly SnatService[]
      readonly scope?: 'full'
      /** Services, and backends as `service backend`, that IPVS still holds. */
      readonly served?: readonly string[]
    }
  | { readonly do: 'connections' }
  | { readonly do: 'remove' }
)

/** `tcp/10.9.0.1:80`; `nat` is `masquerade`, an address or a range, or left out. */
export interface SnatService {
  readonly service: string
  readonly nat?: string
  readonly backends?: readonly string[]
}

const [by, heal, path] = process.argv.slice(2)
const mayRepair = () => heal === 'heal'
await using conntrack = openConntrackKernel()
await using sink = await openSink()
let desired: DesiredState = state([])
let still: StillServed = { service: () => false, destination: () => false }

let disturbed = 0
let healed = 0
sink.onDisturbed(() => {
  say({ disturbed: ++disturbed })
  if (heal !== 'heal') return
  const began = performance.now()
  void pass('full').then((report) => say({ healed: ++healed, report, milliseconds: performance.now() - began }))
})
say({ ready: true })

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as SnatOrder
  say({ id: order.id, answer: await obey(order) })
}

async function openSink(): Promise<SnatSink> {
  if (by === 'iptables-nft' || by === 'iptables-legacy') {
    const kernel = openIptablesKernel({ variant: by, ...(path === undefined ? {} : { path }) })
    return createIptablesSnatSink({ kernel, conntrack, mayRepair })
  }
  // An emulated machine beside others takes its time for thousands of elements.
  const kernel = await openNftablesKernel({ by: by === 'nft' ? 'nft' : 'libnftables', deadlineMs: 170_000 })
  return createSnatSink({ kernel, conntrack, mayRepair })
}

async function obey(order: SnatOrder): Promise<unknown> {
  if (order.do === 'connections') return Object.fromEntries(await sink.readConnections())
  if (order.do === 'remove') return (await sink.remove()) ?? null
  desired = state(
    order.services.map(({ service: text, nat, backends }) => (nat ? translated(text, nat, backends) : service(text, backends))),
  )
  const served = new Set(order.served)
  still = { service: (key) => served.has(key), destination: (key, backend) => served.has(`${key} ${backend}`) }
  return pass(order.scope ?? 'changes')
}

async function pass(scope: 'changes' | 'full'): Promise<unknown> {
  const opened = await sink.open(desired, scope, Date.now())
  return { opened: plain(opened), closed: plain(await sink.close(desired, still, Date.now())) }
}

function plain(report: SnatReport): object {
  return { ...report, unconfirmed: [...report.unconfirmed] }
}

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}\n`)
}
