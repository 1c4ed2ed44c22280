import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Lines that are appended before the file is written anew; more when its content itself is longer than that. */
const APPENDED_LINES = 1_000
/** Lines that are made without a pause: whoever else runs in this thread must not wait for a long record. */
const LINES_IN_A_ROW = 16

/** By which a file is known to be as we left it: whoever replaces it or appends to it changes one of the two. */
interface Mark {
  readonly inode: bigint
  /** Bytes. */
  readonly size: bigint
}

/** A file that may be appended to. */
interface Whole {
  readonly lines: number
  readonly mark: Mark
}

/**
 * A durable log of lines: appended to with one fsync, and written anew as a whole (temporary file, sync, rename, sync of the
 * directory) when it has grown too long, cannot be appended to or is not as we left it: lines of ours at the end of somebody
 * else's file would make one content of two. Rejects with the error of the file system; then the next write is a whole file
 * again, because an append may have left half a line behind.
 */
export class LineFile {
  readonly path: string
  /** Undefined when it has to be written anew first. */
  #known: Whole | undefined
  #linesWhenNew: number
  /** What the first new file takes the place of. */
  #supersedes: string | undefined

  /** `known`: undefined where it is not there or must not be appended to. `supersedes`: a file that goes once there is a new one. */
  constructor(path: string, known: Whole | undefined, supersedes?: string) {
    this.path = path
    this.#known = known
    this.#linesWhenNew = known?.lines ?? 0
    this.#supersedes = supersedes
  }

  /** Makes lines durable; each ends with a newline. `whole` makes the lines of a new file, the added ones among them. */
  async write(added: Iterable<string>, whole: () => Iterable<string>): Promise<void> {
    const known = this.#known
    const { text, count } = await joined(added)
    this.#known = undefined
    const short = known !== undefined && known.lines + count <= this.#linesWhenNew * 2 + APPENDED_LINES
    const mark = short ? await this.#append(text, known.mark) : undefined
    this.#known = mark === undefined ? await this.#writeAnew(whole()) : { lines: (known?.lines ?? 0) + count, mark }
  }

  /** Undefined when somebody has removed, replaced or changed the file: it must be a whole one again. */
  async #append(text: string, left: Mark): Promise<Mark | undefined> {
    const file = await openIfThere(this.path, constants.O_WRONLY | constants.O_APPEND)
    if (file === undefined) return undefined
    try {
      const found = await markOf(file)
      if (found.inode !== left.inode || found.size !== left.size) return undefined
      await file.appendFile(text)
      await file.datasync()
      return { inode: left.inode, size: left.size + BigInt(Buffer.byteLength(text)) }
    } finally {
      await file.close()
    }
  }

  async #writeAnew(lines: Iterable<string>): Promise<Whole> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o755 })
    const temporary = `${this.path}.new`
    const { text, count } = await joined(lines)
    const file = await open(temporary, 'w', 0o600)
    let mark: Mark
    try {
      await file.appendFile(text)
      await file.sync()
      mark = await markOf(file)
    } finally {
      await file.close()
    }
    await rename(temporary, this.path)
    await syncDirectory(dirname(this.path))
    await this.#supersede()
    this.#linesWhenNew = count
    return { lines: count, mark }
  }

  /** What stays behind is not read again while there is a file of our own. */
  async #supersede(): Promise<void> {
    if (this.#supersedes !== undefined) await rm(this.#supersedes, { force: true }).catch(() => {})
    this.#supersedes = undefined
  }
}

/** The content of a file and how it was when it was read; undefined where there is none. */
export async function readIfThere(path: string): Promise<{ readonly text: string; readonly mark: Mark } | undefined> {
  const file = await openIfThere(path, constants.O_RDONLY)
  if (file === undefined) return undefined
  try {
    const { inode } = await markOf(file)
    const bytes = await file.readFile()
    return { text: bytes.toString('utf8'), mark: { inode, size: BigInt(bytes.length) } }
  } finally {
    await file.close()
  }
}

/** Renames a file that cannot be understood and gives its new name. */
export async function setAside(path: string, now: () => number): Promise<string> {
  const aside = `${path}.corrupt-${new Date(now()).toISOString().replaceAll(':', '-')}`
  await rename(path, aside)
  return aside
}

/** `ENOSPC`, or the error itself as text where it has no code. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

async function joined(lines: Iterable<string>): Promise<{ readonly text: string; readonly count: number }> {
  let text = ''
  let count = 0
  for (const line of lines) {
    text += line
    count++
    if (count % LINES_IN_A_ROW === 0) await nextTurn()
  }
  return { text, count }
}

async function openIfThere(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function markOf(file: FileHandle): Promise<Mark> {
  const { ino, size } = await file.stat({ bigint: true })
  return { inode: ino, size }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
