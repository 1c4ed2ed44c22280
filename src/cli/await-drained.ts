import { setTimeout as sleep } from 'node:timers/promises'
import type { BackendStanding, StatusAnswer } from '../admin/standing.ts'
import { askDaemon } from '../daemon/ask-daemon.ts'
import { formatDuration } from '../document/values/duration.ts'
import { PointsmanError } from '../errors.ts'

/** Milliseconds between two looks. */
const LOOK = 1_000

/** How many backends a sentence names. */
const NAMED = 5

interface Named {
  readonly service: string
  readonly backend: string
}

/** Waits until no backend has an active connection; rejects with NOT_DRAINED when `timeout` milliseconds are over. */
export async function awaitDrained(stateDir: string, backends: readonly Named[], timeout: number): Promise<void> {
  const end = performance.now() + timeout
  const [first] = backends
  if (first === undefined) return
  const one = backends.every(({ service }) => service === first.service) ? first.service : undefined
  const path = one === undefined ? '/status' : `/status?service=${encodeURIComponent(one)}`
  for (;;) {
    const open = stillOpen((await askDaemon(stateDir, 'GET', path)) as StatusAnswer, backends)
    if (open.length === 0) return
    const left = end - performance.now()
    if (left <= 0) throw notDrained(open, `after ${formatDuration(timeout)}; the drain stays in force`)
    await sleep(Math.min(LOOK, left))
  }
}

/** What is not drained yet, in words. Throws NOT_DRAINED where the operator has taken a drain back. */
export function stillOpen(status: StatusAnswer, backends: readonly Named[]): string[] {
  const standings = new Map<string, BackendStanding>()
  for (const { service, backends: all } of status.services) {
    for (const standing of all) standings.set(`${service} ${standing.backend}`, standing)
  }
  const back: string[] = []
  const open: string[] = []
  for (const { service, backend } of backends) {
    const standing = standings.get(`${service} ${backend}`)
    // Neither named by anybody nor in the kernel any more.
    if (standing === undefined) continue
    const { admin, kernel } = standing
    if (admin.state === 'ready') back.push(`${service} ${backend}`)
    else if (kernel === undefined) open.push(`${service} ${backend} (${status.kernel_error ?? 'the kernel does not answer'})`)
    else if (kernel !== null && kernel.weight > 0) open.push(`${service} ${backend} (weight ${kernel.weight} in the kernel)`)
    else if (kernel !== null && kernel.active > 0) open.push(`${service} ${backend} (${kernel.active} active)`)
  }
  if (back.length > 0) throw notDrained(back, 'because that was taken back')
  return open
}

function notDrained(open: readonly string[], why: string): PointsmanError {
  const more = open.length > NAMED ? ` and ${open.length - NAMED} more` : ''
  return new PointsmanError('NOT_DRAINED', `Not drained: ${open.slice(0, NAMED).join(', ')}${more}, ${why}.`)
}
