/** What /proc tells of a process. */

import { readFileSync } from 'node:fs'

/** The unit of processor times in /proc, in seconds. */
const TICK = 0.01

/** Seconds of processor time that it has used, in programs and in the kernel, with all its threads. */
export function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // Behind the name, which may hold blanks: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK
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
