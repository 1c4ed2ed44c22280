/** What the samples of a run say together. */

import type { Measure, Sample } from './sample.ts'

/** All samples of one subject in one table, in the order of the rounds. */
export interface Series {
  readonly measure: Measure
  readonly shape: string
  readonly subject: string
  readonly values: readonly number[]
}

export class SeriesBook {
  readonly #series = new Map<string, { measure: Measure; shape: string; subject: string; values: number[] }>()

  add({ measure, shape, subject, value }: Sample): void {
    const key = JSON.stringify([measure, shape, subject])
    const series = this.#series.get(key)
    if (series) series.values.push(value)
    else this.#series.set(key, { measure, shape, subject, values: [value] })
  }

  get(measure: Measure, shape: string, subject: string): Series | undefined {
    return this.#series.get(JSON.stringify([measure, shape, subject]))
  }

  of(measure: Measure): readonly Series[] {
    return [...this.#series.values()].filter((series) => series.measure === measure)
  }

  all(): readonly Series[] {
    return [...this.#series.values()]
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function largest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
}

/** The 99th percentile: of a hundred values one is larger. */
export function slowestOfHundred(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN
}

/**
 * How many times `base` `series` takes: the median of the rounds' own ratios, because what slows one round slows both; of the
 * medians where they were not measured in the same rounds.
 */
export function ratio(series: Series, base: Series): number {
  if (series.values.length !== base.values.length) return median(series.values) / median(base.values)
  return median(series.values.map((value, round) => value / (base.values[round] ?? Number.NaN)))
}
