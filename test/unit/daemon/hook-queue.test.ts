import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { HookQueue, type HookResult } from '../../../src/daemon/hook-queue.ts'

interface Job {
  readonly about: string
  readonly name: string
}

const job = (name: string): Job => ({ about: name.slice(0, 1), name })

/** A queue whose runs end when they are told to. */
class Stage {
  readonly begun: string[] = []
  readonly results: HookResult[] = []
  readonly #running = new Map<string, (error?: Error) => void>()
  readonly queue: HookQueue<Job>

  constructor(options: { atOnce?: number; waiting?: number; timeout?: number } = {}) {
    const { atOnce = 2, waiting = 3, timeout = 60_000 } = options
    this.queue = new HookQueue<Job>({
      about: ({ about }) => about,
      run: ({ name }, signal) => {
        this.begun.push(name)
        return new Promise((resolve, reject) => {
          this.#running.set(name, (error) => (error === undefined ? resolve() : reject(error)))
          signal.addEventListener('abort', () => reject(new Error('ended')))
        })
      },
      onEnd: (result) => this.results.push(result),
      timeout: () => timeout,
      atOnce,
      waiting,
    })
  }

  async end(name: string, error?: Error): Promise<void> {
    this.#running.get(name)?.(error)
    await sleep(0)
  }
}

describe('a queue of hooks', () => {
  it('runs jobs about one thing one by one and in order, others meanwhile', async () => {
    const stage = offered(new Stage(), 'a1', 'a2', 'b1')
    const { queue, begun } = stage
    expect(begun).toEqual(['a1', 'b1'])
    await stage.end('a1')
    expect(begun).toEqual(['a1', 'b1', 'a2'])
    await stage.end('b1')
    await stage.end('a2')
    queue.offer(job('a3'))
    expect(begun.at(-1)).toBe('a3')
    expect(stage.results).toEqual(['ok', 'ok', 'ok'])
    await stage.end('a3')
  })

  it('runs no more at a time than it may, and drops what nobody can wait for', async () => {
    const stage = offered(new Stage(), 'a', 'b', 'c', 'd', 'e', 'f', 'g')
    expect(stage.begun).toEqual(['a', 'b'])
    expect(stage.results).toEqual(['dropped', 'dropped'])
    for (const name of ['a', 'b', 'c', 'd', 'e']) await stage.end(name)
    expect(stage.begun).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('goes on after a failure, and after a run that takes too long', async () => {
    const stage = offered(new Stage({ timeout: 30 }), 'a1', 'a2', 'a3')
    await stage.end('a1', new Error('no'))
    await expect.poll(() => stage.results).toEqual(['failed', 'timeout', 'timeout'])
    expect(stage.begun).toEqual(['a1', 'a2', 'a3'])
  })

  it('closes when all is done', async () => {
    const stage = offered(new Stage(), 'a1', 'a2')
    let closed = false
    const closing = stage.queue.close(60_000).then(() => {
      closed = true
    })
    await stage.end('a1')
    expect(closed).toBe(false)
    await stage.end('a2')
    await closing
    expect(stage.results).toEqual(['ok', 'ok'])
    stage.queue.offer(job('b'))
    expect(stage.results.at(-1)).toBe('dropped')
  })

  it('closes without what takes too long', async () => {
    const stage = offered(new Stage(), 'a1', 'a2')
    await stage.queue.close(20)
    expect(stage.begun).toEqual(['a1'])
    expect(stage.results.toSorted()).toEqual(['dropped', 'failed'])
  })
})

function offered(stage: Stage, ...names: string[]): Stage {
  for (const name of names) stage.queue.offer(job(name))
  return stage
}
