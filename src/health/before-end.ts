import type { EndSignal } from './probe.ts'

/** What this machine has to find out before a probe can ask; undefined where `signal` aborts before: a disk that hangs says nothing of a backend. */
export function beforeEnd<T>(work: Promise<T>, signal: EndSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(undefined)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
