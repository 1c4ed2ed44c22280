import { closeSync, openSync } from 'node:fs'
import { PointsmanError } from '../../errors.ts'
import { type LoadModule, resolveIpvsFamily } from '../ipvs/family.ts'
import { kernelRefused, systemCallFailed } from '../ipvs/refusals.ts'
import { type Batch, type SequencedFailure, sendBatch } from '../ipvs/send-batch.ts'
import { ServiceQuestions } from '../ipvs/service-dump.ts'
import { readServices, TableMemory } from '../ipvs/table-memory.ts'
import { enterNetworkNamespace, LITTLE_ENDIAN, SystemCallError } from '../libc.ts'
import { Arena, dump, exchange, LARGEST_DATAGRAM } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { CONTROL, type JobKind, type Jobs, windowOf } from './jobs.ts'

/** What the kernel thread works with; tests put a scripted kernel here. */
export interface KernelThreadParts {
  readonly openTransport: () => NetlinkTransport
  readonly loadModule: LoadModule
  readonly control: Int32Array
  readonly windows: Uint8Array
}

/**
 * Everything that is done inside the kernel worker, one job after the other. It holds the one socket; an answer that makes
 * no sense costs the socket, so that nothing left in it can be taken for the answer to something else.
 */
export class KernelThread implements Disposable {
  readonly #parts: KernelThreadParts
  readonly #memory = new TableMemory()
  readonly #buffer = Buffer.alloc(LARGEST_DATAGRAM)
  #transport: NetlinkTransport | undefined
  #family = 0

  constructor(parts: KernelThreadParts) {
    this.#parts = parts
  }

  get family(): number {
    return this.#family
  }

  /** Does one job; throws PointsmanError. */
  run<K extends JobKind>(kind: K, ask: Jobs[K]['ask']): Jobs[K]['answer'] {
    try {
      return JOBS[kind](this, ask)
    } catch (error) {
      throw this.#understood(error)
    }
  }

  open({ netnsPath }: Jobs['open']['ask']): Jobs['open']['answer'] {
    if (netnsPath !== undefined) enterNamespace(netnsPath)
    this.#resolve()
    return {}
  }

  ask({ request, dump: isDump, what }: Jobs['ask']['ask']): Jobs['ask']['answer'] {
    return this.#withFamily((transport) => {
      setFamily(request, this.#family)
      const arena = new Arena()
      const refusal = isDump
        ? dump(transport, request, arena).refusal
        : exchange(transport, request, this.#buffer, (message) => {
            arena.room().set(this.#buffer.subarray(message.start, message.end))
            arena.position += message.end - message.start
          })
      this.#progress()
      if (refusal !== undefined) throw kernelRefused(what, refusal)
      return { bytes: new Uint8Array(arena.bytes.subarray(0, arena.position)) }
    })
  }

  readTable(ask: Jobs['read-table']['ask']): Jobs['read-table']['answer'] {
    return this.#withFamily((transport) =>
      this.#memory.read(new ServiceQuestions(transport, this.#family), ask, () => {
        this.#proceed()
        return Atomics.load(this.#parts.control, CONTROL.giveWay) === 0
      }),
    )
  }

  readServices({ identities }: Jobs['read-services']['ask']): Jobs['read-services']['answer'] {
    return this.#withFamily((transport) =>
      readServices(new ServiceQuestions(transport, this.#family), identities, () => this.#proceed()),
    )
  }

  send({ window, batches }: Jobs['send']['ask']): Jobs['send']['answer'] {
    const bytes = windowOf(this.#parts.windows, window)
    const failures: SequencedFailure[] = []
    for (const { start, end, first, count } of batches) {
      this.#proceed()
      this.#memory.changing(bytes.subarray(start, end))
      failures.push(...this.#sendBatch({ bytes: bytes.subarray(start, end), first, count }))
      this.#progress()
    }
    return { failures }
  }

  [Symbol.dispose](): void {
    this.#transport?.[Symbol.dispose]()
    this.#transport = undefined
  }

  #sendBatch(batch: Batch): readonly SequencedFailure[] {
    if (familyOf(batch.bytes) !== this.#family) setFamily(batch.bytes, this.#family)
    const failures = sendBatch(this.#socket(), batch, this.#buffer)
    if (failures.some(({ errno }) => errno === 'EPERM')) throw kernelRefused('change its IPVS table', { errno: 'EPERM' })
    // The family's number changes when the module is loaded again; then nothing of the batch was done.
    const allUnknown = failures.length === batch.count && failures.every(({ errno }) => errno === 'ENOENT')
    if (!allUnknown || !this.#familyChanged()) return failures
    setFamily(batch.bytes, this.#family)
    return sendBatch(this.#socket(), batch, this.#buffer)
  }

  /** Reads are repeated once when the family got another number meanwhile; only then does the kernel answer them ENOENT. */
  #withFamily<T>(question: (transport: NetlinkTransport) => T): T {
    try {
      return question(this.#socket())
    } catch (error) {
      const unknown = error instanceof PointsmanError && error.detail['errno'] === 'ENOENT'
      if (!unknown || !this.#familyChanged()) throw error
      return question(this.#socket())
    }
  }

  #familyChanged(): boolean {
    const before = this.#family
    this.#resolve()
    return this.#family !== before
  }

  #resolve(): void {
    this.#family = resolveIpvsFamily(this.#socket(), this.#parts.loadModule)
    this.#progress()
  }

  #socket(): NetlinkTransport {
    this.#transport ??= this.#parts.openTransport()
    return this.#transport
  }

  /** Between two exchanges: counts the last one and stops if the main thread has given up. */
  #proceed(): void {
    this.#progress()
    if (Atomics.load(this.#parts.control, CONTROL.abandoned) === 0) return
    throw new PointsmanError(
      'KERNEL_STUCK',
      'This job was given up because the kernel took too long: nothing more of it is done.',
    )
  }

  #progress(): void {
    Atomics.add(this.#parts.control, CONTROL.progress, 1)
  }

  #understood(error: unknown): unknown {
    if (error instanceof PointsmanError) {
      if (error.code === 'NETLINK_PROTOCOL') this[Symbol.dispose]()
      return error
    }
    this[Symbol.dispose]()
    return error instanceof SystemCallError ? systemCallFailed(error) : error
  }
}

const JOBS: { readonly [K in JobKind]: (thread: KernelThread, ask: Jobs[K]['ask']) => Jobs[K]['answer'] } = {
  open: (thread, ask) => thread.open(ask),
  ask: (thread, ask) => thread.ask(ask),
  'read-table': (thread, ask) => thread.readTable(ask),
  'read-services': (thread, ask) => thread.readServices(ask),
  send: (thread, ask) => thread.send(ask),
}

/** The family number of the first of some messages. */
function familyOf(messages: Uint8Array): number {
  const cursor = new MessageCursor(messages)
  return cursor.next() ? cursor.type : 0
}

/** Puts another family number into messages that are encoded already. */
function setFamily(messages: Uint8Array, family: number): void {
  const view = new DataView(messages.buffer, messages.byteOffset, messages.byteLength)
  const cursor = new MessageCursor(messages)
  while (cursor.next()) view.setUint16(cursor.start + 4, family, LITTLE_ENDIAN)
}

/** The worker thread alone moves, and stays there. */
function enterNamespace(path: string): void {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    enterNetworkNamespace(fd)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PointsmanError(
      'BAD_INPUT',
      `The network namespace ${path} cannot be entered (${reason}): name one that \`ip netns list\` shows.`,
      { cause },
    )
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
