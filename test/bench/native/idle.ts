/**
 * The whole daemon in this process, on a played kernel, beside an agent in which nothing happens: the processor time that it
 * takes. Arguments: a configuration file, milliseconds to wait once it is ready, and for how many to measure; prints percent of a core.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { playDaemon } from './played-daemon.ts'

const [path = '', settled = '', idle = ''] = process.argv.slice(2)
const daemon = playDaemon(path)
await daemon.ready
await sleep(Number(settled))
const [before, began] = [process.cpuUsage(), performance.now()]
await sleep(Number(idle))
const { user, system } = process.cpuUsage(before)
process.stdout.write(`${((user + system) / 1000 / (performance.now() - began)) * 100}\n`)
await daemon.stop()
