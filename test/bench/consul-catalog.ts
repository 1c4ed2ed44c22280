/** What is told to the agent, and what it says of itself. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Instance, instancesOf, nodeNames } from './consul-tables.ts'
import type { PlainClient } from './plain-client.ts'
import type { Shape } from './shape.ts'

/** What a transaction may hold at most. */
const OPERATIONS = 64
/** Transactions at a time. */
const AT_ONCE = 4
/** Milliseconds that filling the catalog may take. */
const LONGEST_FILL = 600_000

const NODE_ADDRESS = '127.0.0.1'

type Operation = Readonly<Record<string, unknown>>

/** Puts all nodes, instances and checks there, in large transactions. */
export async function fillCatalog(client: PlainClient, shape: Shape): Promise<void> {
  const deadline = performance.now() + LONGEST_FILL
  await transact(client, [...nodeNames()].flatMap(nodeOperations), deadline)
  await transact(client, [...instancesOf(shape)].flatMap(instanceOperations), deadline)
}

export async function register(client: PlainClient, instance: Instance): Promise<void> {
  await client.ask('PUT', '/v1/catalog/register', {
    Node: instance.node,
    Address: NODE_ADDRESS,
    SkipNodeUpdate: true,
    Service: serviceOf(instance),
    Check: checkOf(instance),
  })
}

export async function deregister(client: PlainClient, { node, id }: Instance): Promise<void> {
  await client.ask('PUT', '/v1/catalog/deregister', { Node: node, ServiceID: id })
}

function nodeOperations(name: string): readonly Operation[] {
  // Under the name of the agents' own check the leader would take the node away: it is no member of the cluster.
  const alive = { Node: name, CheckID: 'alive', Name: 'the host is alive', Status: 'passing' }
  return [{ Node: { Verb: 'set', Node: { Node: name, Address: NODE_ADDRESS } } }, { Check: { Verb: 'set', Check: alive } }]
}

function instanceOperations(instance: Instance): readonly Operation[] {
  const check = { ...checkOf(instance), Node: instance.node, ServiceName: instance.service }
  return [
    { Service: { Verb: 'set', Node: instance.node, Service: serviceOf(instance) } },
    { Check: { Verb: 'set', Check: check } },
  ]
}

const serviceOf = ({ id, service, address, port }: Instance) => ({ ID: id, Service: service, Address: address, Port: port })

const checkOf = ({ id }: Instance) => ({
  CheckID: `service:${id}`,
  Name: `check of ${id}`,
  ServiceID: id,
  Status: 'passing',
})

async function transact(client: PlainClient, operations: readonly Operation[], deadline: number): Promise<void> {
  const transactions: (readonly Operation[])[] = []
  for (let at = 0; at < operations.length; at += OPERATIONS) transactions.push(operations.slice(at, at + OPERATIONS))
  const next = transactions.values()
  const worker = async () => {
    for (const transaction of next) {
      if (performance.now() > deadline) throw new Error(`the catalog was not filled within ${LONGEST_FILL / 1000} s`)
      await client.ask('PUT', '/v1/txn', transaction)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Seconds that a figure of the agent's telemetry stands for. */
const INTERVAL = 10
/** Milliseconds between two looks at it, which shows only the last whole interval. */
const LOOK = 3_000

interface Telemetry {
  /** `2026-11-26 10:12:10 +0000 UTC`: the beginning of the interval. */
  readonly Timestamp: string
  readonly Samples: readonly { readonly Name: string; readonly Count: number }[]
}

/**
 * Requests a second that the agent answered, in whole intervals of its telemetry that begin from now on: as many as
 * fit into `milliseconds`, one at least. Looking at the telemetry does not count.
 */
export async function requestsPerSecond(client: PlainClient, milliseconds: number): Promise<number> {
  const began = Date.now()
  const counts = new Map<number, number>()
  while (counts.size === 0 || Date.now() < began + milliseconds) {
    await sleep(LOOK)
    const { Timestamp, Samples } = (await client.ask('GET', '/v1/agent/metrics')).json as Telemetry
    const from = Date.parse(Timestamp.replace(' UTC', ''))
    const asked = Samples.filter(({ Name }) => Name.startsWith('consul.http.') && !Name.endsWith('.v1.agent.metrics'))
    if (from >= began) counts.set(from, sum(asked.map(({ Count }) => Count)))
  }
  return sum([...counts.values()]) / (counts.size * INTERVAL)
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
