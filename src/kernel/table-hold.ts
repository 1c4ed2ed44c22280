import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PointsmanError } from '../errors.ts'

/**
 * Abstract unix socket (unix(7)): the name lives in the network namespace, as the IPVS table does, needs no file and no
 * clean-up, and the kernel frees it when its holder dies, however it dies.
 */
export const TABLE_SOCKET = 'pointsman/table'

/** Milliseconds within which a holder says who it is, also when it is busy. */
const ANSWER_WITHIN = 4_000
/** Characters of what a holder says that are read. */
const LONGEST_LINE = 1_000
/** How often the name is tried again when its holder left between two steps. */
const ATTEMPTS = 5

/** Whoever writes the IPVS table of this network namespace, in its own words. */
export interface TableHolder {
  readonly pid: number
  /** The command that it runs: `start`, `once`, `apply`. */
  readonly command: string
  /** ISO 8601 time since when. */
  readonly since: string
  readonly version?: string
}

/** The right to write, until it is disposed of. */
export interface TableHold extends AsyncDisposable, Disposable {
  readonly holder: TableHolder
}

/**
 * Makes this process the one writer of the table of its network namespace. Rejects with TABLE_HELD, whose sentence says who
 * holds it and what to do. Another `name` is another table, for tests.
 */
export async function holdTable(
  by: { readonly command: string; readonly version?: string },
  name = TABLE_SOCKET,
): Promise<TableHold> {
  const holder: TableHolder = Object.freeze({ pid: process.pid, since: new Date().toISOString(), ...by })
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const server = await listen(name, holder)
    if (server !== undefined) return new ServerHold(server, holder)
    const other = await askHolder(name)
    if (other !== 'nobody') throw tableHeld(other)
    await sleep(20)
  }
  throw tableHeld('silent')
}

/** Who holds the table of this network namespace; undefined when nobody does. `silent`: someone who does not answer. */
export async function whoHoldsTable(name = TABLE_SOCKET): Promise<TableHolder | 'silent' | undefined> {
  const answer = await askHolder(name)
  return answer === 'nobody' ? undefined : answer
}

class ServerHold implements TableHold {
  readonly holder: TableHolder
  readonly #server: Server

  constructor(server: Server, holder: TableHolder) {
    this.#server = server
    this.holder = holder
  }

  [Symbol.dispose](): void {
    this.#server.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

/** The server that holds the name; undefined when another holds it. */
async function listen(name: string, holder: TableHolder): Promise<Server | undefined> {
  const line = `${JSON.stringify(holder)}\n`
  const server = createServer((socket: Socket) => {
    // Whoever asks and goes away is no trouble of ours.
    socket.on('error', () => undefined)
    socket.end(line, () => socket.destroy())
  })
  // Holding the table is no reason for a process to stay alive.
  server.unref()
  try {
    server.listen(`\0${name}`)
    await once(server, 'listening')
    return server
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined
    throw error
  }
}

async function askHolder(name: string): Promise<TableHolder | 'silent' | 'nobody'> {
  const socket = createConnection(`\0${name}`)
  const giveUp = setTimeout(() => socket.destroy(new Error('no answer')), ANSWER_WITHIN)
  try {
    return parseHolder(await lineOf(socket)) ?? 'silent'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'ENOENT' ? 'nobody' : 'silent'
  } finally {
    clearTimeout(giveUp)
    socket.destroy()
  }
}

async function lineOf(socket: Socket): Promise<string> {
  let line = ''
  socket.setEncoding('utf8')
  for await (const part of socket as AsyncIterable<string>) {
    line += part
    if (line.length > LONGEST_LINE) throw new Error('no end of it')
  }
  return line
}

/**
 * The holder's line, or undefined when it is none. Any user may take the name, and the words end on root's terminal: they have the form that ours have,
 * or none of them is shown.
 */
function parseHolder(line: string): TableHolder | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null) return undefined
    const { pid, command, since, version } = value as Record<string, unknown>
    if (!Number.isSafeInteger(pid) || Number(pid) < 1 || !isWord(command) || !isWord(since)) return undefined
    return { pid: Number(pid), command, since, ...(isWord(version) ? { version } : {}) }
  } catch {
    return undefined
  }
}

/** `start`, a time of ISO 8601, a version. */
function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.:+-]{1,64}$/.test(value)
}

function tableHeld(holder: TableHolder | 'silent'): PointsmanError {
  if (holder === 'silent') {
    return new PointsmanError(
      'TABLE_HELD',
      'Another process writes the IPVS table of this network namespace and does not say who it is: find it with `ss -xlp | grep pointsman/table` and stop it first.',
    )
  }
  return new PointsmanError(
    'TABLE_HELD',
    `The IPVS table of this network namespace is written by process ${holder.pid} (pointsman ${holder.command}) since ${holder.since}: stop it first, or change its configuration instead.`,
    { detail: { ...holder } },
  )
}
