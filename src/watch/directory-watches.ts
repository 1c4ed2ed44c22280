import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'

interface Watched {
  readonly watcher: FSWatcher
  /** Device and inode: another directory under the same name needs a watch of its own. */
  readonly identity: string
}

/** The kernel's watches on a set of directories. */
export class DirectoryWatches implements Disposable {
  readonly #onEvent: (directory: string, name: string | null) => void
  readonly #watched = new Map<string, Watched>()
  #deaf = false
  #closed = false

  constructor(onEvent: (directory: string, name: string | null) => void) {
    this.#onEvent = onEvent
  }

  /** Whether a directory could not be watched (out of watches, no permission to list it), so that only looking helps. */
  get deaf(): boolean {
    return this.#deaf
  }

  /**
   * Watches exactly these directories; true where a watch was added or a directory had vanished, so that something may have
   * happened that no watch has seen.
   */
  async follow(directories: ReadonlySet<string>): Promise<boolean> {
    for (const directory of this.#watched.keys()) if (!directories.has(directory)) this.#drop(directory)
    this.#deaf = false
    let added = false
    for (const directory of directories) added = (await this.#followOne(directory)) || added
    return added
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const directory of this.#watched.keys()) this.#drop(directory)
  }

  async #followOne(directory: string): Promise<boolean> {
    const identity = await identityOf(directory)
    const watched = this.#watched.get(directory)
    if (this.#closed || (watched !== undefined && watched.identity === identity)) return false
    this.#drop(directory)
    if (identity === undefined) {
      this.#deaf = true
      return true
    }
    try {
      const watcher = watch(directory, (_, name) => this.#heard(watcher, directory, name))
      watcher.on('error', () => this.#heard(watcher, directory, null))
      this.#watched.set(directory, { watcher, identity })
      return true
    } catch {
      this.#deaf = true
      return false
    }
  }

  /** inotify reports the end or the move of the directory itself under its own name; the watch is of no use then. */
  #heard(watcher: FSWatcher, directory: string, name: string | null): void {
    if (this.#watched.get(directory)?.watcher !== watcher) return
    if (name === null || name === basename(directory)) this.#drop(directory)
    this.#onEvent(directory, name)
  }

  #drop(directory: string): void {
    this.#watched.get(directory)?.watcher.close()
    this.#watched.delete(directory)
  }
}

async function identityOf(directory: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(directory)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
