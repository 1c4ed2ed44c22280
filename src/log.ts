import pino, { type DestinationStream, type Logger } from 'pino'
import type { LogFormat, LogLevel } from './config/configuration.ts'
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

/**
 * One JSON object per line on standard output: `time` (ISO 8601), `level`, `msg` and the fields of the event. Nobody who
 * logs hands over a configuration object: what is not named cannot leak.
 */
export async function createLog(level: LogLevel, format: LogFormat, fd = 1): Promise<Log> {
  const terminal = fd === 1 ? process.stdout.isTTY === true : false
  const pretty = format === 'pretty' || (format === 'auto' && terminal)
  const stream = new LogStream(fd, WAITING_BYTES)
  const destination = pretty ? await prettyPrinter(stream, terminal) : stream
  return { logger: loggerTo(destination, level), flush: () => stream.flush() }
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
