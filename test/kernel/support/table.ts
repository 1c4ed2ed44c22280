/**
 * The kernel's table as ipvsadm tells it. Tests write what they want in ipvsadm's own words, so that nothing of the
 * project's decoders takes part in the comparison.
 */

import { setTimeout } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Lab } from '../../lab/lab.ts'

export interface TableOptions {
  /** The namespace that holds the table; `director` by default. */
  readonly netns?: string
  readonly timeoutMs?: number
}

/** Lines of `ipvsadm -Sn`, or of a text like it: one blank between words, sorted, empty lines and comments left out. */
export function tableLines(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim().replaceAll(/\s+/g, ' '))
  return lines.filter((line) => line !== '').sort()
}

/** What `ipvsadm -Sn` prints now, as sorted lines. */
export async function readTable(lab: Lab, { netns = 'director' }: TableOptions = {}): Promise<string[]> {
  return tableLines(await lab.check(['ipvsadm', '-Sn'], { netns }))
}

/** The table is this one now. */
export async function expectTable(lab: Lab, wanted: string, options: TableOptions = {}): Promise<void> {
  expect(await readTable(lab, options)).toEqual(tableLines(wanted))
}

/** The table becomes this one within the time, 20 seconds by default. */
export async function waitForTable(lab: Lab, wanted: string, options: TableOptions = {}): Promise<void> {
  const lines = tableLines(wanted)
  const deadline = performance.now() + (options.timeoutMs ?? 20_000)
  for (;;) {
    const seen = await readTable(lab, options)
    if (seen.length === lines.length && seen.every((line, index) => line === lines[index])) return
    if (performance.now() > deadline) expect(seen).toEqual(lines)
    await setTimeout(100)
  }
}

/** Runs ipvsadm with the words of one line, as another administrator would. */
export async function ipvsadm(lab: Lab, words: string, { netns = 'director' }: TableOptions = {}): Promise<void> {
  await lab.check(['ipvsadm', ...words.split(' ')], { netns })
}

/** Carries out many lines in one process. */
export async function restore(lab: Lab, lines: string, { netns = 'director' }: TableOptions = {}): Promise<void> {
  const input = lines
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n')
  await lab.check(['ipvsadm', '-R'], { netns, input: `${input}\n` })
}

/** Empties the table, as no daemon of ours would. */
export async function clearTable(lab: Lab, options: TableOptions = {}): Promise<void> {
  await ipvsadm(lab, '-C', options)
}

export interface Statistics {
  readonly connections: number
  readonly packetsIn: number
  readonly packetsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** `ipvsadm -Ln --stats --exact` by `TCP 10.0.0.1:80` for services and `TCP 10.0.0.1:80 10.0.1.1:8080` for destinations. */
export async function readStatistics(lab: Lab, { netns = 'director' }: TableOptions = {}): Promise<Map<string, Statistics>> {
  const text = await lab.check(['ipvsadm', '-Ln', '--stats', '--exact'], { netns })
  const statistics = new Map<string, Statistics>()
  let service = ''
  for (const line of text.split('\n')) {
    const [, name, numbers] = /^\s*(TCP\s+\S+|UDP\s+\S+|SCTP\s+\S+|FWM\s+\S+|->\s+\S+)((?:\s+\d+){5})\s*$/.exec(line) ?? []
    if (name === undefined || numbers === undefined) continue
    const [connections = 0, packetsIn = 0, packetsOut = 0, bytesIn = 0, bytesOut = 0] = numbers.trim().split(/\s+/).map(Number)
    const key = name.startsWith('->') ? `${service} ${name.slice(2).trim()}` : name.replaceAll(/\s+/g, ' ')
    if (!name.startsWith('->')) service = key
    statistics.set(key, { connections, packetsIn, packetsOut, bytesIn, bytesOut })
  }
  return statistics
}
