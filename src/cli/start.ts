import { setFlagsFromString } from 'node:v8'
import { Subject } from 'rxjs'
import { currentBuild } from '../build.ts'
import type { Settings } from '../config/configuration.ts'
import { asPointsmanError } from '../daemon/passes.ts'
import { realHost } from '../daemon/real-host.ts'
import { runDaemon } from '../daemon.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { createLog, type Log } from '../log.ts'
import type { LogFileOptions } from '../log-file.ts'
import { journalOf } from './journal-options.ts'
import { readConfiguration } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'

/**
 * Young objects get one megabyte instead of up to sixteen times as much: 30 MB less in memory at 10,000 backends, and
 * collections that take a millisecond instead of ten.
 */
const SMALL_NURSERY = '--semi-space-growth-factor=1'

const MEGABYTE = 1024 * 1024

interface Options extends Readonly<Record<string, unknown>> {
  readonly config: string
  readonly journal?: string
  readonly journalLimit?: string
  readonly shadow?: boolean
}

/** `pointsman start`: runs until a signal ends it. The log is on standard output or in its file; why a start failed is on standard error. */
export async function run(options: Options): Promise<number> {
  setFlagsFromString(SMALL_NURSERY)
  if (options.config === '-') {
    throw new PointsmanError(
      'BAD_INPUT',
      'start needs a file that it can watch: name one with --config instead of standard input.',
    )
  }
  const journal = journalOf(options)
  const overrides = overridesFrom(options)
  const { bytes, configuration, read, warnings } = await readConfiguration(options.config, overrides)
  const { settings } = configuration
  const log = await createLog(settings.logLevel, settings.logFormat, fileOf(settings.logFile, settings))
  // Two streams into one file would rotate it under each other.
  const isOwn = settings.trafficLogFile !== settings.logFile
  const trafficFile = isOwn ? fileOf(settings.trafficLogFile, settings) : undefined
  const trafficLog = trafficFile === undefined ? undefined : await createLog('info', 'json', trafficFile)
  const { reload$, stop } = signals(log)
  brokenIsFatal(log)
  const build = currentBuild()
  log.logger.info({ version: build.version, commit: build.commit, node: build.node, config: options.config }, 'starting')
  try {
    const kept = { ...(journal !== undefined && { journal }), ...(trafficLog !== undefined && { trafficLog }) }
    const shadow = options.shadow === true
    await runDaemon({ configuration, bytes, read, warnings, overrides, build, ...kept, shadow, log, reload$, stop }, realHost())
    return EXIT.ok
  } catch (error) {
    const known = asPointsmanError(error)
    // On a terminal the sentence on standard error is enough.
    const seen = process.stdout.isTTY === true && known.code !== 'INTERNAL'
    if (!seen) log.logger.fatal({ code: known.code, ...(known.code === 'INTERNAL' && { err: known.cause }) }, known.message)
    throw known
  } finally {
    trafficLog?.flush()
    log.flush()
  }
}

/** Undefined: it is off. */
function fileOf(path: string | 'off', { logMaxSize, logKeep }: Settings): LogFileOptions | undefined {
  return path === 'off' ? undefined : { path, maxSize: logMaxSize * MEGABYTE, keep: logKeep }
}

/** SIGHUP reloads; the first SIGTERM or SIGINT ends in good order, the second at once. */
function signals(log: Log): { reload$: Subject<void>; stop: Promise<string> } {
  const reload$ = new Subject<void>()
  process.on('SIGHUP', () => reload$.next())
  const stop = new Promise<string>((resolve) => {
    let asked = false
    const ask = (signal: NodeJS.Signals, number: number): void => {
      if (asked) endAtOnce(log, signal, number)
      asked = true
      resolve(signal)
    }
    process.on('SIGTERM', () => ask('SIGTERM', 15))
    process.on('SIGINT', () => ask('SIGINT', 2))
  })
  return { reload$, stop }
}

/** The shell's convention: 128 and the signal's number. */
function endAtOnce(log: Log, signal: string, number: number): never {
  log.logger.warn({ signal }, 'asked a second time: ending at once, the table stays as it is')
  log.flush()
  process.exit(128 + number)
}

/** What nobody caught is a defect; the table outlives the process, and the service manager starts it again. */
function brokenIsFatal(log: Log): void {
  const broken = (error: unknown): never => {
    log.logger.fatal({ err: error, code: 'INTERNAL' }, 'a defect ends the daemon; the table stays as it is')
    log.flush()
    process.exit(EXIT.internal)
  }
  process.on('uncaughtException', broken)
  process.on('unhandledRejection', broken)
}
