import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Observable, Subscription } from 'rxjs'
import { onTestFinished } from 'vitest'

/** A directory that is gone after the test. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Everything that an observable has said, with a way to wait for the next word. */
export class Listener<T> {
  readonly heard: T[] = []
  readonly #subscription: Subscription
  #wake: () => void = () => {}

  constructor(source$: Observable<T>) {
    this.#subscription = source$.subscribe((value) => {
      this.heard.push(value)
      this.#wake()
    })
    onTestFinished(() => this.stop())
  }

  get last(): T | undefined {
    return this.heard.at(-1)
  }

  stop(): void {
    this.#subscription.unsubscribe()
  }

  /** Waits until the last word is as wanted; fails with what was heard instead. */
  async until(wanted: (last: T) => boolean, what: string, patience = 5_000): Promise<T> {
    const deadline = Date.now() + patience
    for (;;) {
      if (this.last !== undefined && wanted(this.last)) return this.last
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`waited ${patience} ms for ${what}; last heard: ${JSON.stringify(this.last)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
