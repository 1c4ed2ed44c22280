/**
 * Instances that come and go: each listens, registers itself in Consul, serves for a while, deregisters, and exits a fixed
 * time later, whoever still speaks to it. A lane starts the next instance before the old one leaves, as a rolling deployment
 * does: one lane at a time, those of one host after `delay`.
 *
 * Usage: `instance-churn NAME ADDRESS CONSUL_URL {"lanes", "cycles", "delay", "life", "linger", "firstPort"}`; milliseconds. Prints
 * `registered` once every lane has its first instance, a line `churned N` at the end, and goes on serving the last ones.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const [name = '', address = '', consul = '', plan = '{}'] = process.argv.slice(2)
const { lanes, cycles, delay, life, linger, firstPort } = JSON.parse(plan) as Record<
  'lanes' | 'cycles' | 'delay' | 'life' | 'linger' | 'firstPort',
  number
>

/** Milliseconds. */
const TICK = 50

class Instance {
  readonly #port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(port: number) {
    this.#port = port
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      socket.on('data', (text) => socket.write(`${name} ${text.toString('latin1')}`, 'latin1'))
    })
  }

  static async start(port: number): Promise<Instance> {
    const instance = new Instance(port)
    await new Promise<void>((resolve, reject) => {
      instance.#server.once('error', reject).listen(port, address, resolve)
    })
    await ask('register', { ID: instance.#id, Name: 'web', Address: address, Port: port })
    return instance
  }

  get #id(): string {
    return `web-${name}-${this.#port}`
  }

  async deregister(): Promise<void> {
    await ask(`deregister/${this.#id}`)
  }

  /**
   * `linger` from now, without a word to anybody. A stretch in which the machine does not keep its timers counts for a fifth: one
   * that is emulated stands still for seconds now and then, and whoever is to notice that an instance has left stands still with it.
   */
  async exit(): Promise<void> {
    for (let left = linger; left > 0; ) {
      const began = performance.now()
      await sleep(TICK)
      left -= performance.now() - began < 2 * TICK ? TICK : TICK / 5
    }
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }
}

async function ask(path: string, body?: object): Promise<void> {
  const answer = await fetch(`${consul}/v1/agent/service/${path}`, {
    method: 'PUT',
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

async function churn(first: Instance, lane: number): Promise<void> {
  const leaving: Promise<void>[] = []
  let current = first
  await sleep(delay + (life / lanes) * lane)
  for (let cycle = 1; cycle <= cycles; cycle++) {
    await sleep(life)
    const next = await inTurn(async () => {
      const started = await Instance.start(portOf(lane, cycle))
      await current.deregister()
      return started
    })
    leaving.push(current.exit())
    current = next
  }
  await Promise.all(leaving)
}

let last: Promise<unknown> = Promise.resolve()

/** However slow the machine is, a pool that replaces one of its members at a time never looks twice its size. */
function inTurn<Result>(replace: () => Promise<Result>): Promise<Result> {
  const turn = last.then(replace)
  last = turn
  return turn
}

/** No port is used twice: what a late packet reaches must not be another instance. */
const portOf = (lane: number, cycle: number): number => firstPort + lane * (cycles + 1) + cycle

const firsts = await Promise.all(Array.from({ length: lanes }, (_, lane) => Instance.start(portOf(lane, 0))))
console.log('registered')
await new Promise<void>((resolve) => process.stdin.once('data', () => resolve()))
process.stdin.pause()
await Promise.all(firsts.map((first, lane) => churn(first, lane)))
console.log(`churned ${lanes * cycles}`)
