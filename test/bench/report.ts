/** The results for people: bars first, then a table for each thing that was measured, ratios before values. */

import type { Bar } from './bars.ts'
import type { Machine } from './machine.ts'
import type { Measure, Profile } from './sample.ts'
import { largest, median, ratio, type SeriesBook, slowestOfHundred } from './series.ts'

export interface Results {
  readonly machine: Machine
  /** Undefined: the tables were too small to judge. */
  readonly bars: readonly Bar[] | undefined
  readonly book: SeriesBook
  readonly profiles: readonly Profile[]
}

interface Section {
  readonly measure: Measure
  readonly title: string
  readonly unit: string
  /** The subject whose value is 1.0. */
  readonly base?: string | RegExp
  readonly of?: (values: readonly number[]) => number
}

const SECTIONS: readonly Section[] = [
  { measure: 'apply', title: 'A whole table into an empty kernel', unit: 'ms', base: 'ceiling' },
  { measure: 'resync', title: 'An unchanged table is read and found right', unit: 'ms', base: 'ipvsadm -Ln' },
  { measure: 'change', title: 'One backend gets another weight', unit: 'ms', base: / alone$/ },
  { measure: 'change-calls', title: 'System calls of such a change', unit: 'calls' },
  { measure: 'change-bytes', title: 'Bytes to the kernel for such a change', unit: 'bytes' },
  { measure: 'start', title: 'From the start of the program to the full table', unit: 'ms', base: 'keepalived' },
  { measure: 'memory', title: 'Memory of the daemon', unit: 'MB' },
  { measure: 'memory-part', title: 'What it is made of, per-backend series off', unit: 'MB' },
  { measure: 'scrape', title: 'One answer with all metrics, the start of curl included', unit: 'ms' },
  {
    measure: 'hold',
    title: 'Longest hold of the main thread, whole daemon, this machine itself, played kernel, processor time',
    unit: 'ms',
    of: largest,
  },
  {
    measure: 'blocked',
    title: 'The same in the lab, real kernel, by the clock; whoever shares the machine is in it',
    unit: 'ms',
    of: largest,
  },
  { measure: 'register', title: 'From the registration of an instance in Consul, median', unit: 'ms' },
  { measure: 'register', title: 'The same, 99% of all', unit: 'ms', of: slowestOfHundred },
  {
    measure: 'idle',
    title: 'Processor time while nothing happens in Consul, whole daemon, this machine itself, played kernel',
    unit: '% of a core',
  },
  { measure: 'consul-cpu', title: 'The same in the lab, real kernel', unit: '% of a core' },
  { measure: 'consul-requests', title: 'Requests that the agent has meanwhile', unit: 'a second' },
  { measure: 'consul-connections', title: 'Connections to the agent', unit: '' },
  { measure: 'probe-cpu', title: 'Processor time of one probe of a backend, this machine itself', unit: 'µs', base: 'HAProxy' },
  { measure: 'probe-main', title: 'Processor time of the main thread meanwhile', unit: '% of a core' },
  { measure: 'probe-late', title: 'After its moment a probe begins at most', unit: 'ms' },
  { measure: 'probe-rate', title: 'Probes, counted as connections that were begun', unit: 'a second' },
  { measure: 'probe-memory', title: 'Resident memory meanwhile', unit: 'MB', base: 'HAProxy' },
  { measure: 'lab-probe-cpu', title: 'Processor time of one probe in the lab, against HAProxy', unit: 'µs', base: 'HAProxy' },
  { measure: 'lab-probe-cpu', title: 'The same, against keepalived', unit: 'µs', base: 'keepalived' },
  { measure: 'lab-probe-late', title: 'After its moment a probe begins in the lab at most', unit: 'ms' },
  { measure: 'lab-probe-gap', title: 'An HTTP probe follows the one before later than an interval by at most', unit: 'ms' },
  { measure: 'lab-probe-rate', title: 'Probes in the lab, counted as connections that were begun', unit: 'a second' },
  { measure: 'lab-probe-memory', title: 'Resident memory meanwhile', unit: 'MB', base: 'HAProxy' },
  { measure: 'packet-rate', title: 'Packets of one connection through source NAT', unit: 'a second', base: 'no source NAT' },
  { measure: 'connection-rate', title: 'Connections of one packet through source NAT', unit: 'a second', base: 'no source NAT' },
  { measure: 'packet-add', title: 'One service with source NAT more', unit: 'ms', base: 'pointsman' },
]

const LEGEND = `pass: a pass of the sink (plan, ownership record, kernel), in a process that lives as long as a daemon and is warm; peers run as the processes that they are.
write, read: only the kernel's part of it, through the worker thread.
ceiling: the same messages, encoded beforehand, through the same socket code in the same batches (64 messages, 16 KiB).`

export function textReport({ machine, bars, book, profiles }: Results): string {
  const sections = SECTIONS.map((section) => sectionText(section, book)).filter((text) => text !== undefined)
  const parts = [`Pointsman bench: ${machine.text}`, barText(bars), ...sections, LEGEND]
  for (const profile of profiles) parts.push(profileText(profile))
  return `${parts.join('\n\n')}\n`
}

function barText(bars: readonly Bar[] | undefined): string {
  if (bars === undefined) return 'Small tables, nothing is judged.'
  return bars
    .map(
      ({ text, unit, limit, value, met }) =>
        `${met ? 'PASS' : 'MISS'}  ${number(value).padStart(7)} ${unit.padEnd(5)}  ${text} (at most ${limit})`,
    )
    .join('\n')
}

function sectionText({ measure, title, unit, base, of = median }: Section, book: SeriesBook): string | undefined {
  const series = book.of(measure)
  if (series.length === 0) return undefined
  const lines = series.map(({ shape, subject, values }) => {
    const reference = series.find((other) => other.shape === shape && isBase(base, other.subject))
    const times = reference === undefined ? '' : number(ratio({ measure, shape, subject, values }, reference))
    const spread = values.length > 1 ? `${number(Math.min(...values))} to ${number(largest(values))}` : ''
    return [shape, subject, times, number(of(values)), spread]
  })
  const head = ['table', 'what', base === undefined ? '' : 'ratio', unit, 'spread']
  return [title, ...columns([head, ...lines])].join('\n')
}

function isBase(base: string | RegExp | undefined, subject: string): boolean {
  return base instanceof RegExp ? base.test(subject) : base === subject
}

function profileText({ text, threads }: Profile): string {
  const lines = [`Profile of ${text}`]
  for (const { thread, busy, functions } of threads) {
    lines.push(`  ${thread}: busy for ${number(busy)} ms`)
    for (const { name, self } of functions) lines.push(`  ${number(self).padStart(10)} ms  ${name}`)
  }
  return lines.join('\n')
}

/** Text columns to the left, numbers to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const LEFT = 2
  return rows.map((row) =>
    `  ${row.map((cell, column) => (column < LEFT ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd(),
  )
}

function number(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) >= 10) return String(value)
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

/** The results for programs. */
export function jsonReport({ machine, bars, book, profiles }: Results): string {
  const series = book.all().map((each) => ({ ...each, median: median(each.values) }))
  return JSON.stringify({ machine, bars: bars ?? null, series, profiles }, null, 2)
}
