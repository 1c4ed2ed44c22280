import { constants } from 'node:fs'
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import { errnoOf } from './line-file.ts'

/** With which every journal begins. */
const BEGINNING = '{"format":"pointsman-journal"'

/** A file that may be a journal, or not. */
export class NoJournal extends Error {}

/** The file of a journal, open to be appended to. Rejects with the errors of the file system. */
export class JournalFile {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #inode: bigint
  #size: number
  /** The last line has no end: a crash, or a disk that was full, cut it off. */
  readonly isCut: boolean

  private constructor(path: string, handle: FileHandle, inode: bigint, size: number, isCut: boolean) {
    this.#path = path
    this.#handle = handle
    this.#inode = inode
    this.#size = size
    this.isCut = isCut
  }

  /** Bytes. */
  get size(): number {
    return this.#size
  }

  /** Makes the file where there is none, for its user alone. Rejects with NoJournal where it holds something else. */
  static async open(path: string): Promise<JournalFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o600)
    try {
      const found = await handle.stat({ bigint: true })
      if (!found.isFile()) throw new NoJournal('it is no regular file')
      const size = Number(found.size)
      if (size === 0) return new JournalFile(path, handle, found.ino, 0, false)
      const start = await textAt(handle, 0, BEGINNING.length)
      if (!BEGINNING.startsWith(start)) throw new NoJournal('it holds something else')
      return new JournalFile(path, handle, found.ino, size, (await textAt(handle, size - 1, 1)) !== '\n')
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async append(text: string): Promise<void> {
    await this.#handle.appendFile(text)
    this.#size += Buffer.byteLength(text)
  }

  /** Whether nobody has removed, replaced or changed it. */
  async isAsLeft(): Promise<boolean> {
    try {
      const { ino, size } = await stat(this.#path, { bigint: true })
      return ino === this.#inode && Number(size) === this.#size
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /** Closes it and gives it the name that it has when the next one is written. */
  async setAside(): Promise<void> {
    await this.#handle.close()
    await rename(this.#path, earlierPart(this.#path))
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** Where the part before the one in a file is. */
export function earlierPart(path: string): string {
  return `${path}.1`
}

async function textAt(handle: FileHandle, position: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.toString('utf8', 0, bytesRead)
}
