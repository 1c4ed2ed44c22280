import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { IpvsCommand } from '../../../src/kernel/for-sinks.ts'
import { encodeBatches } from '../../../src/kernel/ipvs/batches.ts'
import { MessageCursor } from '../../../src/kernel/netlink/message-cursor.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import { CONTROL, ENTRY, GAVE_WAY, type ServiceBytes, WINDOW_BYTES, WINDOWS } from '../../../src/kernel/worker/jobs.ts'
import { KernelThread } from '../../../src/kernel/worker/kernel-thread.ts'
import { destination, pool, tcp } from './support/objects.ts'
import { ScriptedKernel } from './support/scripted-kernel.ts'

/** The messages of each service of an answer, as text without what the reading itself put into them. */
function* servicesOf({ entries, bytes }: ServiceBytes): Iterable<readonly [slot: number, text: string]> {
  for (let at = 0; at < entries.length; at += ENTRY.length) {
    const [slot = 0, start = 0, end = 0] = entries.subarray(at, at + ENTRY.length)
    const messages = bytes.slice(start, end)
    const cursor = new MessageCursor(messages)
    let text = ''
    while (cursor.next()) text += Buffer.from(messages.subarray(cursor.body, cursor.end)).toString('hex')
    yield [slot, text]
  }
}

/** A kernel thread, and the copy of the table that a main thread would have of it. */
class Reader {
  readonly #control = new Int32Array(CONTROL.length)
  readonly #windows = new Uint8Array(WINDOWS * WINDOW_BYTES)
  readonly #kernel: ScriptedKernel
  readonly #thread: KernelThread
  readonly #held = new Map<number, string>()
  #generation = -1

  constructor(kernel: ScriptedKernel) {
    this.#kernel = kernel
    const parts = { loadModule: () => 'not found', control: this.#control, windows: this.#windows }
    this.#thread = new KernelThread({ ...parts, openTransport: () => kernel })
    this.#thread.run('open', {})
  }

  get table(): readonly string[] {
    return [...this.#held.values()].sort()
  }

  write(commands: readonly IpvsCommand[]): void {
    const writer = new MessageWriter(this.#windows.subarray(0, WINDOW_BYTES))
    const { batches } = encodeBatches(writer, commands, 0, this.#thread.family)
    this.#thread.run('send', { window: 0, batches })
  }

  /** Reads, and gives way after so many datagrams; whether it came to an end all the same. */
  read(datagrams = Number.POSITIVE_INFINITY): boolean {
    let received = 0
    this.#kernel.onReceive = () => {
      if (++received > datagrams) this.#control[CONTROL.giveWay] = 1
    }
    const delta = this.#thread.run('read-table', { generation: this.#generation, statistics: false })
    this.#kernel.onReceive = () => undefined
    this.#control[CONTROL.giveWay] = 0
    if (delta === GAVE_WAY) return false
    this.#generation = delta.generation
    if (delta.whole) this.#held.clear()
    for (const slot of delta.gone) this.#held.delete(slot)
    for (const [slot, text] of servicesOf(delta)) this.#held.set(slot, text)
    return true
  }
}

const services = fc.integer({ min: 1, max: 6 }).map((number) => tcp(`10.0.2.${number}`))
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), datagrams: fc.integer({ min: 1, max: 20 }) }) },
    fc.record({ do: fc.constant('create' as const), service: services, size: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ do: fc.constant('delete' as const), service: services }),
    fc.record({ do: fc.constant('weigh' as const), service: services, weight: fc.integer({ min: 0, max: 9 }) }),
  ),
  { minLength: 10, maxLength: 60 },
)

test('however often a reading gives way and whatever we write meanwhile, what is read in the end is what is there', () => {
  let resumed = 0
  fc.assert(
    fc.property(steps, (all) => {
      const kernel = new ScriptedKernel()
      const reader = new Reader(kernel)
      for (const number of [1, 2, 3, 4]) reader.write(pool(tcp(`10.0.2.${number}`), number))
      reader.read()
      let gaveWay = false
      for (const now of all) {
        if (now.do === 'create') reader.write(pool(now.service, now.size))
        else if (now.do === 'delete') reader.write([{ kind: 'delete-service', service: now.service }])
        else if (now.do === 'weigh') {
          const edited = destination('10.1.0.0', 8080, { weight: now.weight })
          reader.write([{ kind: 'edit-destination', service: now.service, destination: edited }])
        } else {
          const ended = reader.read(now.datagrams)
          if (ended && gaveWay) resumed++
          gaveWay = !ended
          if (ended) expect(reader.table).toEqual(truth(kernel))
        }
      }
      reader.read()
      expect(reader.table).toEqual(truth(kernel))
    }),
    { numRuns: 60 },
  )
  expect(resumed, 'readings that went on').toBeGreaterThan(20)
}, 60_000)

function truth(kernel: ScriptedKernel): readonly string[] {
  const another = new Reader(kernel)
  another.read()
  return another.table
}
