import { asyncScheduler, Observable, type SchedulerLike, type Subscription } from 'rxjs'
import { DirectoryWatches } from './directory-watches.ts'

/** Milliseconds. */
export interface DirectoryChangesOptions {
  /** How long the directories must be quiet. */
  readonly settle: number
  /** How often something may have changed although no event came; 2,000 at most while a directory cannot be watched. */
  readonly poll: number
  readonly scheduler?: SchedulerLike
}

const DEAF_POLL = 2_000

/**
 * Tells that names may have come to these directories, or left them: at once, because something may have happened before anybody
 * watched, after events and every now and then. Never errors, never completes; unsubscribing frees every watch and timer.
 */
export function directoryChanges(
  directories: ReadonlySet<string>,
  { settle, poll, scheduler = asyncScheduler }: DirectoryChangesOptions,
): Observable<void> {
  return new Observable((subscriber) => {
    let timer: Subscription | undefined
    const wait = (delay: number) => {
      timer?.unsubscribe()
      timer = scheduler.schedule(() => void tell(), delay)
    }
    const watches = new DirectoryWatches(() => wait(settle))
    const tell = async () => {
      timer?.unsubscribe()
      await watches.follow(directories)
      if (subscriber.closed) return
      wait(watches.deaf ? Math.min(poll, DEAF_POLL) : poll)
      subscriber.next()
    }
    subscriber.add(() => {
      watches[Symbol.dispose]()
      timer?.unsubscribe()
    })
    void tell()
  })
}
