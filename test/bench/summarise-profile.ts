/** Reads the profiles that `node --cpu-prof` wrote and says where the time went. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Window } from './monotonic.ts'
import type { ThreadProfile } from './sample.ts'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  /** Microseconds of the monotonic clock. */
  readonly startTime: number
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const FUNCTIONS = 12
const IDLE = new Set(['(idle)', '(program)', '(root)'])

/** One profile for each thread that was busy within the windows. */
export function summariseProfiles(directory: string, windows: readonly Window[]): ThreadProfile[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) =>
      summarise(basename(name, '.cpuprofile'), JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile, windows),
    )
    .filter(({ busy }) => busy > 0)
    .sort((a, b) => a.thread.localeCompare(b.thread))
}

export function summarise(name: string, profile: CpuProfile, windows: readonly Window[]): ThreadProfile {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, frameName(callFrame)]))
  const selves = new Map<string, number>()
  let busy = 0
  let at = profile.startTime
  for (const [index, sample] of profile.samples.entries()) {
    const delta = profile.timeDeltas[index] ?? 0
    at += delta
    const frame = names.get(sample) ?? '(unknown)'
    if (IDLE.has(frame) || !windows.some(({ from, to }) => from <= at && at <= to)) continue
    const milliseconds = delta / 1000
    busy += milliseconds
    selves.set(frame, (selves.get(frame) ?? 0) + milliseconds)
  }
  const functions = [...selves].sort(([, a], [, b]) => b - a).slice(0, FUNCTIONS)
  // CPU.<date>.<time>.<pid>.<thread>.<number>
  const thread = name.split('.')[4] === '0' ? 'main thread' : 'kernel worker'
  return { thread, busy: round(busy), functions: functions.map(([frame, self]) => ({ name: frame, self: round(self) })) }
}

function frameName({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  if (functionName.startsWith('(')) return functionName
  const place = url === '' ? 'native' : `${basename(url)}:${lineNumber + 1}`
  return `${functionName === '' ? 'anonymous' : functionName} (${place})`
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10
}
