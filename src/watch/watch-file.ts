import { hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { EMPTY, filter, Observable, type SchedulerLike, type Subscriber, type Subscription } from 'rxjs'
import type { Issue } from '../document/issue.ts'
import { MAX_DOCUMENT_BYTES, readDocument } from '../document/read.ts'
import { steadyScheduler } from '../steady-scheduler.ts'
import { DirectoryWatches } from './directory-watches.ts'
import { concerns, type Trail, trailOf } from './path-trail.ts'

/** What a look at a file found; `at` is in milliseconds since the epoch. */
export type FileObservation =
  | { readonly kind: 'content'; readonly bytes: Uint8Array; readonly at: number }
  | { readonly kind: 'missing'; readonly at: number }
  /** There, but not to be had: no permission, a directory, above the size limit. */
  | { readonly kind: 'unreadable'; readonly issue: Issue; readonly at: number }

/**
 * An observation, with a number that grows by one from each to the next; or a regular look that found the one of that
 * number again.
 */
export type FileLook =
  | (FileObservation & { readonly revision: number })
  | { readonly kind: 'unchanged'; readonly revision: number; readonly at: number }

/** Durations are milliseconds. */
export interface WatchFileOptions {
  /** How long the file must be quiet before it is read; 100 by default. A file that is never quiet is read every ten times that. */
  readonly settle?: number
  /** How often the file is looked at although no event came; 30,000 by default, 2,000 at most while it cannot be watched. */
  readonly poll?: number
  /** Bytes above which a file is not read. */
  readonly limit?: number
  /** Each value forces a look at once whose result is emitted even if it is the one before. */
  readonly reload$?: Observable<unknown>
  readonly scheduler?: SchedulerLike
}

/**
 * The content of a file, now and after every change: in-place writes, write-and-rename, swaps of any symbolic link on the
 * way, deletion and return of the file or of its directory. The directories are watched, not the file, because a watch
 * on a file follows the inode and goes deaf when another file takes its name. Never errors, never completes by itself,
 * never repeats an equal observation; unsubscribing frees every watch and timer.
 */
export function watchFile(path: string, options: WatchFileOptions = {}): Observable<FileObservation> {
  return lookAtFile(path, options).pipe(filter((look) => look.kind !== 'unchanged'))
}

/** As `watchFile`, and tells also, once every `poll`, that nothing is different. */
export function lookAtFile(path: string, options: WatchFileOptions = {}): Observable<FileLook> {
  const { settle = 100, poll = 30_000, limit = MAX_DOCUMENT_BYTES, reload$ = EMPTY, scheduler = steadyScheduler } = options
  return new Observable((subscriber) => {
    const watch = new FileWatch(path, { settle, poll, limit, scheduler }, subscriber)
    subscriber.add(() => watch[Symbol.dispose]())
    subscriber.add(reload$.subscribe(() => watch.look(true)))
    watch.look(false)
  })
}

const DEAF_POLL = 2_000

/** How often a trail is followed anew because a directory appeared on it or vanished while it was being followed. */
const TRAIL_TRIES = 8

type Timing = Required<Pick<WatchFileOptions, 'settle' | 'poll' | 'limit' | 'scheduler'>>

class FileWatch implements Disposable {
  readonly #path: string
  readonly #timing: Timing
  readonly #subscriber: Subscriber<FileLook>
  readonly #watches = new DirectoryWatches((directory, name) => this.#heard(directory, name))
  #trail: Trail = new Map()
  #last = ''
  #revision = 0
  #looking = false
  /** The trail changed faster than it could be followed, so that a watch may be missing. */
  #lostTrail = false
  /** A look that was asked for while another one was under way. */
  #next: { readonly forced: boolean } | undefined
  #restlessSince: number | undefined
  #settleTimer: Subscription | undefined
  #pollTimer: Subscription | undefined

  constructor(path: string, timing: Timing, subscriber: Subscriber<FileLook>) {
    this.#path = path
    this.#timing = timing
    this.#subscriber = subscriber
  }

  [Symbol.dispose](): void {
    this.#watches[Symbol.dispose]()
    this.#settleTimer?.unsubscribe()
    this.#pollTimer?.unsubscribe()
  }

  look(forced: boolean, regular = false): void {
    if (this.#looking) this.#next = { forced: forced || (this.#next?.forced ?? false) }
    else void this.#lookNow(forced, regular)
  }

  async #lookNow(forced: boolean, regular: boolean): Promise<void> {
    this.#looking = true
    this.#pollTimer?.unsubscribe()
    const observation = await this.#observe()
    this.#looking = false
    if (this.#subscriber.closed) return
    this.#publish(observation, forced, regular)
    // Whoever had enough of what was published is gone with every timer.
    if (this.#subscriber.closed) return
    const { poll, scheduler } = this.#timing
    const blind = this.#watches.deaf || this.#lostTrail
    this.#pollTimer = scheduler.schedule(() => this.look(false, true), blind ? Math.min(poll, DEAF_POLL) : poll)
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) this.look(next.forced)
  }

  #heard(directory: string, name: string | null): void {
    if (!concerns(this.#trail, directory, name)) return
    const { settle, scheduler } = this.#timing
    const now = scheduler.now()
    this.#restlessSince ??= now
    this.#settleTimer?.unsubscribe()
    const delay = Math.max(0, Math.min(settle, this.#restlessSince + 10 * settle - now))
    this.#settleTimer = scheduler.schedule(() => {
      this.#restlessSince = undefined
      this.look(false)
    }, delay)
  }

  async #observe(): Promise<FileObservation> {
    this.#lostTrail = true
    for (let tries = 0; tries < TRAIL_TRIES && this.#lostTrail; tries++) {
      this.#trail = await trailOf(this.#path)
      this.#lostTrail = await this.#watches.follow(new Set(this.#trail.keys()))
    }
    const result = await readDocument(this.#path, this.#timing.limit)
    const at = this.#timing.scheduler.now()
    if (result.ok) return { kind: 'content', bytes: result.bytes, at }
    return (await isMissing(this.#path)) ? { kind: 'missing', at } : { kind: 'unreadable', issue: result.issue, at }
  }

  #publish(observation: FileObservation, forced: boolean, regular: boolean): void {
    const print = fingerprint(observation)
    if (print === this.#last && !forced) {
      if (regular) this.#subscriber.next({ kind: 'unchanged', revision: this.#revision, at: observation.at })
      return
    }
    this.#last = print
    this.#revision++
    this.#subscriber.next({ ...observation, revision: this.#revision })
  }
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function fingerprint(observation: FileObservation): string {
  if (observation.kind === 'content') return `content ${hash('sha256', observation.bytes)}`
  return observation.kind === 'missing' ? 'missing' : `unreadable ${observation.issue.problem}`
}
