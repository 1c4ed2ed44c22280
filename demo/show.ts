import { setTimeout as wait } from 'node:timers/promises'
import type { Traffic } from '../test/lab/traffic/traffic.ts'
import type { View } from './picture.ts'
import type { Scene, Servers } from './scene.ts'
import type { Stagehand } from './stagehand.ts'
import { readTable, sameTable } from './table.ts'

/** So many answers since the table is as it should be make an honest picture. */
const ENOUGH = 48
/** Milliseconds after which a scene has failed. */
const PATIENCE = 60_000

/** Name of the traffic's phases from the end of a scene until the next one's table is as it should be. */
export const BETWEEN = 'between'

/** How fast it goes and who watches. */
export interface Pace {
  /** Milliseconds that a scene takes at least. */
  readonly sceneLength: number
  /** Milliseconds from one picture to the next; at least those between two reports of the traffic generator, 250. */
  readonly frameLength: number
  /** What is to be seen now; the last of a scene is meant to stay. */
  show(view: View, isLast: boolean): void
}

interface Place extends Pick<View, 'number' | 'of'> {
  readonly stagehand: Stagehand
  readonly traffic: Traffic
  readonly servers: Servers
}

/**
 * Pictures of the answers since the one before; once the table is as the scene wants it, of all answers since then. In the
 * traffic's report that last stretch is the phase with the scene's caption.
 */
export async function show(pace: Pace, scene: Scene, { stagehand, traffic, servers, number, of }: Place): Promise<void> {
  const began = performance.now()
  const isPlayed = follow(scene.play())
  let from = traffic.counts().servers
  let framesAsWanted = 0
  for (;;) {
    const isOver = await isPlayed()
    const [table] = await Promise.all([readTable(stagehand, servers), wait(pace.frameLength)])
    framesAsWanted = isOver && sameTable(table, scene.table) ? framesAsWanted + 1 : 0
    if (framesAsWanted === 1) await traffic.mark(scene.caption)
    const { servers: total, attempts, failures } = traffic.counts()
    const answers = Object.fromEntries([...servers.keys()].map((name) => [name, (total[name] ?? 0) - (from[name] ?? 0)]))
    const isEnough = framesAsWanted > 1 && Object.values(answers).reduce((sum, count) => sum + count) >= ENOUGH
    const elapsed = performance.now() - began
    const isLast = isEnough && elapsed >= pace.sceneLength
    pace.show({ scene: scene.caption, number, of, answers, requests: attempts, failures }, isLast)
    if (isLast) break
    if (framesAsWanted < 2) from = total
    if (elapsed > PATIENCE) throw new Error(`a minute into "${scene.caption}" the table is ${JSON.stringify(table)}`)
  }
  await traffic.mark(BETWEEN)
}

/** Whether it is done by now; rejects when it has failed. */
function follow(work: Promise<unknown>): () => Promise<boolean> {
  let state: 'under way' | 'done' | 'failed' = 'under way'
  work.then(
    () => (state = 'done'),
    () => (state = 'failed'),
  )
  return async () => {
    if (state === 'failed') await work
    return state === 'done'
  }
}
