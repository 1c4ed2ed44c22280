import pino, { type DestinationStream, type Logger } from 'pino'
import type { LogFormat, LogLevel } from './config/configuration.ts'
import { LogFile, type LogFileOptions } from './log-file.ts'
import { LogStream } from './log-stream.ts'

export type { Logger }

/** Bytes kept while whoever reads our output does not: beyond it lines are dropped, the daemon never waits for its log. */
const WAITING_BYTES = 4 * 1024 * 1024

/** A logger and the way to get its last lines out before the process ends. */
export interface Log {
  readonly logger: Logger
  /** Writes what is still waiting before it returns; gives up soon where nothing can be written. */
  flush(): void
}

/** Bytes of complaints about a log that cannot be written. */
const COMPLAINTS_BYTES = 64 * 1024

/**
 * One JSON object per line on standard output, or in a file in its place: `time` (ISO 8601), `level`, `msg` and the fields of the event. Nobody who
 * logs hands over a configuration object: what is not named cannot leak.
 */
export async function createLog(level: LogLevel, format: LogFormat, to: number | LogFileOptions = 1): Promise<Log> {
  const terminal = to === 1 ? process.stdout.isTTY === true : false
  const pretty = format === 'pretty' || (format === 'auto' && terminal)
  const stream = typeof to === 'number' ? new LogStream(to, WAITING_BYTES) : streamInto(to)
  const destination = pretty ? await prettyPrinter(stream, terminal) : stream
  return { logger: loggerTo(destination, level), flush: () => stream.flush() }
}

/** What goes wrong with the file is said on standard error, once until it goes right again; the daemon goes on. */
function streamInto(options: LogFileOptions): LogStream {
  const complaints = new LogStream(2, COMPLAINTS_BYTES)
  const complain = (what: (code: string) => string) => (error: Error) => {
    const code = 'code' in error ? String(error.code) : error.message
    complaints.write(`pointsman: The log file ${options.path} ${what(code)}.\n`)
  }
  const onGrowth = complain(
    (code) => `is full and cannot be put aside (${code}), so it grows: let its directory belong to the user of Pointsman`,
  )
  const onTrouble = complain((code) => `cannot be written (${code}); lines wait for it, those beyond 4 MiB are lost`)
  return new LogStream(new LogFile(options, onGrowth), WAITING_BYTES, onTrouble)
}

/**
 * pino's own transports run in a worker thread that a bundle cannot find: the pretty printer is a function in this thread,
 * loaded only where a person looks.
 */
async function prettyPrinter(stream: LogStream, colour: boolean): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    colorize: colour,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return { write: (line) => stream.write(pretty(line)) }
}

/** A logger into any stream; tests read what it was given. */
export function loggerTo(destination: DestinationStream, level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}
