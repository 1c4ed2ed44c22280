/** What the memory of a Node process is made of, by its own diagnostic report (https://nodejs.org/api/report.html) and /proc. */

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryOf } from './process-facts.ts'

interface HeapReport {
  readonly javascriptHeap: {
    /** Bytes, as all here. */
    readonly totalCommittedMemory: number
    readonly externalMemory: number
    readonly heapSpaces: Readonly<Record<string, { readonly committedMemory: number }>>
  }
}

interface Report extends HeapReport {
  readonly workers: readonly HeapReport[]
}

const MEGABYTE = 1e6
const PATIENCE = 60_000

/** What Node needs to be started with for `memoryParts`. */
export function reporting(file: string): readonly string[] {
  return ['--report-on-signal', `--report-filename=${file}`, '--report-exclude-env', '--report-exclude-network']
}

/** Megabytes by part; the parts are the whole of the resident memory. Throws when the process makes no report within a minute. */
export async function memoryParts(pid: number, file: string): Promise<ReadonlyMap<string, number>> {
  const resident = memoryOf(pid, 'VmRSS')
  const files = memoryOf(pid, 'RssFile')
  process.kill(pid, 'SIGUSR2')
  const { javascriptHeap, workers } = await written(file)
  const young = javascriptHeap.heapSpaces['new_space']?.committedMemory ?? 0
  const parts = new Map([
    ['Node itself: pages of files', files],
    ['heap of the main thread, old', (javascriptHeap.totalCommittedMemory - young) / MEGABYTE],
    ['heap of the main thread, young', young / MEGABYTE],
    ['heaps of the worker threads', sum(workers.map((worker) => worker.javascriptHeap.totalCommittedMemory)) / MEGABYTE],
    [
      'buffers',
      sum([javascriptHeap, ...workers.map((worker) => worker.javascriptHeap)].map((heap) => heap.externalMemory)) / MEGABYTE,
    ],
  ])
  return parts.set('all else: stacks, compiler, allocator', resident - sum(parts.values()))
}

async function written(file: string): Promise<Report> {
  for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await sleep(100)) {
    if (!existsSync(file)) continue
    try {
      const report = JSON.parse(readFileSync(file, 'utf8')) as Report
      rmSync(file)
      return report
    } catch {
      // It is still being written.
    }
  }
  throw new Error('the daemon made no report of its memory')
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((all, value) => all + value, 0)
}
