/** Where the values come from, without which they say little. */

import { availableParallelism, loadavg } from 'node:os'
import type { Rig } from './in-lab.ts'

export interface MeasuredKernel {
  readonly kernel: string
  readonly where: string
  /** Whether the virtual machine's processor is emulated, which makes programs in JavaScript ten times slower. */
  readonly emulated: boolean
}

export interface Machine {
  readonly text: string
  /** Those on which something was measured. */
  readonly kernels: readonly MeasuredKernel[]
  readonly cores: number
  /** Processes that wanted to run, on average over the last minute, before and after. */
  readonly load: readonly [number, number]
  readonly node: string
}

export function describeMachine(rigs: readonly Rig[], loadBefore: number): Machine {
  const load = [loadBefore, loadavg()[0] ?? 0] as const
  const cores = availableParallelism()
  const busy = `load ${load[0].toFixed(1)} before, ${load[1].toFixed(1)} after on ${cores} cores`
  const kernels = rigs.map(({ kernel, where, emulated }) => ({ kernel, where, emulated }))
  const linux = kernels.map(({ kernel, where }) => `Linux ${kernel} (${where}), `).join('')
  const text = `${linux}Node ${process.version}, ${busy}`
  return { text, kernels, cores, load, node: process.version }
}
