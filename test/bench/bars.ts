/** What Pointsman promises, held against what was measured. */

import type { Sizes } from './plan.ts'
import { JUDGED_TABLE } from './probe-plan.ts'
import { probeTableName } from './probe-tables.ts'
import type { Measure, ProfileCase } from './sample.ts'
import { largest, median, ratio, type Series, type SeriesBook, slowestOfHundred } from './series.ts'
import { type Shape, shapeName } from './shape.ts'

export interface Bar {
  readonly text: string
  readonly unit: 'times' | 'MB' | 'ms' | '%'
  readonly limit: number
  readonly value: number
  readonly met: boolean
  /** The case whose profile explains a miss; of memory the report has its parts. */
  readonly profile?: ProfileCase | { readonly measure: 'hold'; readonly shape: Shape } | { readonly measure: 'probes' }
}

const APPLY = 1.3
const RESYNC = 1
const CHANGE = 2
const MEMORY_OFF = 150
const MEMORY_ON = 220
const HOLD = 20
const REGISTER = 25
const REGISTER_SLOWEST = 60
/** Percent of a core. */
const IDLE = 2
const PROBE_LATE = 50
const PROBE = 2

/** The bars whose measures were taken. `consul`: whether the road from Consul was measured where its bars hold. */
export function judge(book: SeriesBook, sizes: Sizes, { consul }: { readonly consul: boolean }): readonly Bar[] {
  const { wide, many, large } = sizes
  const bars = [
    ...[wide, many, large].map((shape) => applyBar(book, shape)),
    resyncBar(book, many),
    changeBar(book, sizes),
    memoryBar(book, large, 'off', MEMORY_OFF),
    memoryBar(book, large, 'on', MEMORY_ON),
    ...[wide, many, large].map((shape) => holdBar(book, shape)),
    ...(consul ? registerBars(book, many) : []),
    idleBar(book, many),
    ...probeBars(book),
  ]
  return bars.filter((each) => each !== undefined)
}

function applyBar(book: SeriesBook, shape: Shape): Bar | undefined {
  const name = shapeName(shape)
  const value = times(book, 'apply', name, 'pass', 'ceiling')
  const text = `first pass of ${name} against sending the same bytes encoded beforehand`
  return bar(text, 'times', APPLY, value, { measure: 'apply', shape })
}

function resyncBar(book: SeriesBook, shape: Shape): Bar | undefined {
  const name = shapeName(shape)
  const value = times(book, 'resync', name, 'pass', 'ipvsadm -Ln')
  return bar(`unchanged resync of ${name} against ipvsadm -Ln`, 'times', RESYNC, value, { measure: 'resync', shape })
}

function changeBar(book: SeriesBook, { large, small }: Sizes): Bar | undefined {
  const name = shapeName(large)
  const value = times(book, 'change', name, 'pass', `pass, ${shapeName(small)} alone`)
  const profile = { measure: 'change', shape: large } as const
  return bar(`one change in ${name} against one in ${shapeName(small)}`, 'times', CHANGE, value, profile)
}

function memoryBar(book: SeriesBook, shape: Shape, series: 'on' | 'off', limit: number): Bar | undefined {
  const resident = book.get('memory', shapeName(shape), `resident, per-backend series ${series}`)
  const value = resident && median(resident.values)
  return bar(`resident at ${shapeName(shape)}, per-backend series ${series}`, 'MB', limit, value)
}

/** On this machine itself: the emulated one is ten times slower, which says nothing about any director. */
function holdBar(book: SeriesBook, shape: Shape): Bar | undefined {
  const passes = book.of('hold').filter((series) => series.shape === shapeName(shape) && series.subject !== 'scrape')
  const value = passes.length === 0 ? undefined : largest(passes.flatMap(({ values }) => values))
  return bar(`longest hold of the main thread in a pass of ${shapeName(shape)}`, 'ms', HOLD, value, { measure: 'hold', shape })
}

/** Over https, where every service has a query of its own with the settings as they are. */
function registerBars(book: SeriesBook, shape: Shape): readonly (Bar | undefined)[] {
  const name = shapeName(shape)
  const held = book.get('register', name, 'https: in the kernel')?.values
  const bare = book.get('register', name, 'https: bare query')?.values
  const above = (of: (values: readonly number[]) => number) => held && bare && of(held) - of(bare)
  const text = `from a registration in Consul to the kernel in ${name}, above a bare blocking query`
  return [
    bar(`${text}, median`, 'ms', REGISTER, above(median)),
    bar(`${text}, slowest of a hundred`, 'ms', REGISTER_SLOWEST, above(slowestOfHundred)),
  ]
}

/** On this machine itself: in user-mode Linux waking up costs several times what it costs on a director. */
function idleBar(book: SeriesBook, shape: Shape): Bar | undefined {
  const name = shapeName(shape)
  const idle = book.get('idle', name, 'https')
  return bar(`processor time beside an idle Consul agent, ${name}`, '%', IDLE, idle && median(idle.values))
}

/** On this machine itself. The latest of a round is a bound of the daemon's histogram. */
function probeBars(book: SeriesBook): readonly (Bar | undefined)[] {
  const name = probeTableName(JUDGED_TABLE)
  const late = book.get('probe-late', name, 'pointsman, 99% of all')
  const cost = times(book, 'probe-cpu', name, 'pointsman', 'HAProxy')
  const profile = { measure: 'probes' } as const
  return [
    bar(`lateness of 99% of the probes, ${name}`, 'ms', PROBE_LATE, late && median(late.values), profile),
    bar(`processor time of a probe, ${name}, against HAProxy`, 'times', PROBE, cost, profile),
  ]
}

function times(book: SeriesBook, measure: Measure, shape: string, subject: string, base: string): number | undefined {
  const series: Series | undefined = book.get(measure, shape, subject)
  const reference = book.get(measure, shape, base)
  return series && reference && ratio(series, reference)
}

function bar(
  text: string,
  unit: Bar['unit'],
  limit: number,
  value: number | undefined,
  profile?: Bar['profile'],
): Bar | undefined {
  if (value === undefined) return undefined
  return { text, unit, limit, value, met: value <= limit, ...(profile === undefined ? {} : { profile }) }
}
