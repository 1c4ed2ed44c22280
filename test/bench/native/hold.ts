/** Runs the daemon on a played kernel, on this machine itself, and says how long its main thread was held. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Message, Profile } from '../sample.ts'
import { type Shape, shapeName } from '../shape.ts'
import { summariseProfiles } from '../summarise-profile.ts'
import type { Turn } from './turn-watch.ts'

const PROGRAM = fileURLToPath(new URL('./main-thread.ts', import.meta.url))

export async function measureHold(shape: Shape, rounds: number, take: (message: Message) => void): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    take({ kind: 'progress', text: `${shapeName(shape)}: main thread on this machine, round ${round + 1} of ${rounds}` })
    for (const [subject, { milliseconds }] of Object.entries(await longestTurns(shape, []))) {
      take({ kind: 'sample', measure: 'hold', shape: shapeName(shape), subject, value: milliseconds })
    }
  }
}

/** What the main thread did in the longest turn of all. */
export async function profileHold(shape: Shape): Promise<Profile> {
  const directory = mkdtempSync(join(tmpdir(), 'pointsman-bench-'))
  try {
    const turns = await longestTurns(shape, ['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${directory}`])
    const passes = Object.entries(turns).filter(([occasion]) => occasion !== 'scrape')
    const [occasion, turn] = passes.reduce((a, b) => (a[1].milliseconds > b[1].milliseconds ? a : b))
    const threads = summariseProfiles(directory, [turn]).filter(({ thread }) => thread === 'main thread')
    return { kind: 'profile', text: `the longest turn of the main thread, ${shapeName(shape)}, ${occasion}`, threads }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function longestTurns(shape: Shape, nodeOptions: readonly string[]): Promise<Readonly<Record<string, Turn>>> {
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeOptions, PROGRAM, JSON.stringify(shape)])
  return JSON.parse(stdout) as Record<string, Turn>
}
