/** The whole daemon in this process, on a played kernel, until SIGTERM. The argument is a configuration file. */

import { playDaemon } from './played-daemon.ts'

const daemon = playDaemon(process.argv[2] ?? '')
process.once('SIGTERM', () => void daemon.stop())
