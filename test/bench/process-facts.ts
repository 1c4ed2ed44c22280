/** What /proc tells of a process. */

import { readdirSync, readFileSync } from 'node:fs'

/** The unit of processor times in /proc, in seconds. */
const TICK = 0.01

/** Seconds of processor time that it has used, in programs and in the kernel, with all its threads. */
export function processorTime(pid: number): number {
  return timeIn(statIn(`/proc/${pid}/stat`))
}

/** The same of its main thread alone. */
export function mainThreadTime(pid: number): number {
  return timeIn(statIn(`/proc/${pid}/task/${pid}/stat`))
}

function timeIn(fields: readonly string[]): number {
  return (Number(fields[11]) + Number(fields[12])) * TICK
}

/** The same with those of its children that have ended and were waited for. */
export function processorTimeWithEnded(pid: number): number {
  const fields = statIn(`/proc/${pid}/stat`)
  return timeIn(fields) + timeIn(fields.slice(2))
}

/** Of the processes that are there. */
export function allProcesses(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}

/** What `measure` says of all of them together; those that have ended meanwhile count nothing. */
export function sumOf(pids: readonly number[], measure: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + unlessGone(() => measure(pid), 0), 0)
}

/** `otherwise` of a process that has ended. */
function unlessGone<Value>(look: () => Value, otherwise: Value): Value {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return otherwise
    throw error
  }
}

/** Behind the name, which may hold blanks: state is field 3, the parent 4, utime 14, stime 15; those of children that have ended follow. */
function statIn(path: string): readonly string[] {
  const stat = readFileSync(path, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** A process and all that descend from it. */
export function familyOf(pid: number): readonly number[] {
  const parents = new Map(allProcesses().map((child) => [child, unlessGone(() => parentOf(child), undefined)]))
  const family = [pid]
  for (const member of family) family.push(...[...parents].flatMap(([child, parent]) => (parent === member ? [child] : [])))
  return family
}

function parentOf(pid: number): number {
  return Number(statIn(`/proc/${pid}/stat`)[1])
}

/** Megabytes of a field of /proc/PID/status. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM' | 'RssFile'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])
  return (kilobytes * 1024) / 1e6
}

/** TCP connections that processes in this network namespace have begun. */
export function connectionsBegun(): number {
  const [names = '', values = ''] = readFileSync('/proc/net/snmp', 'latin1').match(/^Tcp: .*$/gm) ?? []
  return Number(values.split(' ')[names.split(' ').indexOf('ActiveOpens')])
}
