import type { IpvsTable, IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import { Turns } from '../turns.ts'
import { encodeBatches, indexOf } from './ipvs/batches.ts'
import { ATTR, COMMAND } from './ipvs/constants.ts'
import { decodeInfo, decodeTimeouts } from './ipvs/settings-codec.ts'
import { decodeSyncDaemon } from './ipvs/sync-daemon-codec.ts'
import { TableReader } from './ipvs/table-reader.ts'
import type { AnyIpvsCommand, CommandFailure, IpvsInfo, IpvsKernel, ReadOptions, WriteReport } from './ipvs-kernel.ts'
import { AttributeCursor } from './netlink/attribute-cursor.ts'
import { GENERIC_HEADER, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from './netlink/constants.ts'
import { MessageCursor } from './netlink/message-cursor.ts'
import { MessageWriter } from './netlink/message-writer.ts'
import { protocolError } from './netlink/protocol-error.ts'
import { Pace } from './pace.ts'
import { type Jobs, WINDOWS, windowOf } from './worker/jobs.ts'
import type { KernelWorker } from './worker/kernel-worker.ts'

/** The IPVS table through the kernel worker. One call at a time reaches the kernel; the others wait for their turn. */
export class IpvsClient implements IpvsKernel {
  readonly #worker: KernelWorker
  readonly #reader: TableReader
  readonly #writers: readonly MessageWriter[]
  readonly #turns = new Turns()
  /** The reading of the whole table that is under way, where it gives way to whoever comes. */
  #yielding: AbortController | undefined
  /** Calls under way or waiting that it gives way to. */
  #urgent = 0

  constructor(worker: KernelWorker) {
    this.#worker = worker
    this.#reader = new TableReader(worker)
    this.#writers = Array.from({ length: WINDOWS }, (_, number) => new MessageWriter(windowOf(worker.windows, number)))
  }

  info(): Promise<IpvsInfo> {
    return this.#turns.take(async () => {
      const { bytes } = await this.#ask(COMMAND.getInfo, NLM_F_ACK, 'tell its IPVS version')
      const message = onlyMessage(bytes)
      return decodeInfo(bytes, message.body + GENERIC_HEADER, message.end)
    })
  }

  /** Gives way to others once: a scrape can wait, and a change cannot. */
  async readTable(options: ReadOptions = {}): Promise<IpvsTable> {
    if (options.signal !== undefined) return this.#turns.take(() => this.#reader.readTable(options))
    const yielding = new AbortController()
    try {
      return await this.#turns.take(() => this.#readYielding(options, yielding))
    } catch (error) {
      if (!yielding.signal.aborted || error !== yielding.signal.reason) throw error
    }
    return this.#turns.take(() => this.#reader.readTable(options))
  }

  readServices(services: readonly ServiceIdentity[], options: ReadOptions = {}): Promise<IpvsTable> {
    return this.#urgently(() => this.#reader.readServices(services, options))
  }

  readTimeouts(): Promise<IpvsTimeouts> {
    return this.#turns.take(async () => {
      const { bytes } = await this.#ask(COMMAND.getConfig, NLM_F_ACK, 'tell its IPVS timeouts')
      const message = onlyMessage(bytes)
      return decodeTimeouts(bytes, message.body + GENERIC_HEADER, message.end)
    })
  }

  readSyncDaemons(): Promise<readonly SyncDaemon[]> {
    return this.#turns.take(async () => {
      const { bytes } = await this.#ask(COMMAND.getDaemon, NLM_F_DUMP, 'list its sync daemons')
      return decodeSyncDaemons(bytes)
    })
  }

  write(commands: readonly AnyIpvsCommand[]): Promise<WriteReport> {
    return this.#urgently(() => this.#write(commands))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#worker[Symbol.asyncDispose]()
  }

  /** While the worker sends from one window the next commands are encoded into the others. */
  async #write(commands: readonly AnyIpvsCommand[]): Promise<WriteReport> {
    const report = { failures: [] as CommandFailure[], sent: commands.length, bytes: 0, sends: 0 }
    const inFlight: Promise<Jobs['send']['answer']>[] = []
    const pace = new Pace()
    try {
      let next = 0
      for (let window = 0; next < commands.length; window = (window + 1) % WINDOWS) {
        if (inFlight.length === WINDOWS) await collectFailures(inFlight, report.failures)
        if (pace.late()) await pace.rest()
        const writer = this.#writers[window] as MessageWriter
        const encoded = encodeBatches(writer, commands, next, this.#worker.family)
        next = encoded.next
        report.sends += encoded.batches.length
        report.bytes += writer.position
        const sending = this.#worker.call('send', { window, batches: encoded.batches })
        // Should an earlier window be rejected, this one must not count as unhandled before its turn comes.
        sending.catch(() => undefined)
        inFlight.push(sending)
      }
      while (inFlight.length > 0) await collectFailures(inFlight, report.failures)
      return report
    } finally {
      // A rejected write leaves windows that the worker still sends from: the next one must not overwrite them.
      await Promise.allSettled(inFlight)
    }
  }

  #ask(command: number, flags: number, what: string): Promise<Jobs['ask']['answer']> {
    const writer = new MessageWriter(new Uint8Array(64))
    const SEQUENCE = 1
    writer.end(writer.begin(this.#worker.family, NLM_F_REQUEST | flags, SEQUENCE, command))
    const request = writer.bytes.slice(0, writer.position)
    return this.#worker.call('ask', { request, dump: flags === NLM_F_DUMP, what })
  }

  async #readYielding(options: ReadOptions, yielding: AbortController): Promise<IpvsTable> {
    if (this.#urgent > 0) yielding.abort()
    this.#yielding = yielding
    try {
      return await this.#reader.readTable({ ...options, signal: yielding.signal })
    } finally {
      this.#yielding = undefined
    }
  }

  async #urgently<T>(work: () => Promise<T>): Promise<T> {
    this.#urgent += 1
    this.#yielding?.abort()
    try {
      return await this.#turns.take(work)
    } finally {
      this.#urgent -= 1
    }
  }
}

/** Waits for the window that was posted first and adds what was refused of it. */
async function collectFailures(inFlight: Promise<Jobs['send']['answer']>[], failures: CommandFailure[]): Promise<void> {
  const answer = await inFlight.shift()
  for (const { sequence, ...refusal } of answer?.failures ?? []) failures.push({ index: indexOf(sequence), ...refusal })
}

function onlyMessage(bytes: Uint8Array): MessageCursor {
  const cursor = new MessageCursor(bytes)
  if (!cursor.next()) throw protocolError('the answer is empty')
  return cursor
}

function decodeSyncDaemons(bytes: Uint8Array): readonly SyncDaemon[] {
  const daemons: SyncDaemon[] = []
  const cursor = new MessageCursor(bytes)
  const attributes = new AttributeCursor(bytes)
  while (cursor.next()) {
    attributes.over(cursor.body + GENERIC_HEADER, cursor.end)
    while (attributes.next()) {
      if (attributes.type !== ATTR.daemon) continue
      daemons.push(decodeSyncDaemon(bytes, attributes.start, attributes.start + attributes.length))
    }
  }
  return daemons
}
