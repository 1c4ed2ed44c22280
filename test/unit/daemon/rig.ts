import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Subject } from 'rxjs'
import { onTestFinished } from 'vitest'
import type { Overrides } from '../../../src/config/configuration.ts'
import { loadFrom } from '../../../src/config/load-from.ts'
import { realReach } from '../../../src/daemon/reach.ts'
import { runDaemon } from '../../../src/daemon.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { loggerTo } from '../../../src/log.ts'
import { FakeHost } from './fake-host.ts'

interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

/** A running daemon on a machine in memory, with a directory of its own. */
export interface DaemonRig {
  readonly host: FakeHost
  readonly directory: string
  readonly log: LogLine[]
  /** Resolves or rejects with the daemon. */
  readonly ended: Promise<void>
  readonly reload$: Subject<void>
  /** Replaces the configuration by write and rename. */
  reconfigure(yaml: string): Promise<void>
  stop(): Promise<void>
  /** Of the admin address, which is on 127.0.0.1. */
  readonly port: number
  fetch(path: string): Promise<{ status: number; text: string }>
}

/** A directory that goes with the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** `global` has quick times, a state directory and an admin address of its own; `services` is the YAML of the list. */
export function yamlOf(directory: string, port: number, services: string, global = ''): string {
  return [
    'global:',
    `  state_dir: ${join(directory, 'state')}`,
    `  admin: 127.0.0.1:${port}`,
    '  watch_settle: 10ms',
    ...global
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `  ${line}`),
    `services:${services}`,
    '',
  ].join('\n')
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** `yaml` is given the directory and the admin port. */
export async function startDaemon(
  yaml: (directory: string, port: number) => string,
  options: {
    readonly host?: FakeHost
    readonly directory?: string
    readonly overrides?: Overrides
    readonly journal?: string
    readonly shadow?: boolean
  } = {},
): Promise<DaemonRig> {
  const host = options.host ?? new FakeHost()
  const directory = options.directory ?? (await temporaryDirectory())
  const port = await freePort()
  const path = join(directory, 'pointsman.yaml')
  const bytes = Buffer.from(yaml(directory, port))
  await writeFile(path, bytes)
  const overrides = options.overrides ?? {}
  const { result: loaded, read } = await loadFrom({ path, bytes }, overrides, realReach())
  if (!loaded.ok) throw new Error(loaded.issues.map(formatIssue).join('\n'))
  const log: LogLine[] = []
  const logger = loggerTo(
    { write: (line: string) => void log.push(JSON.parse(line) as LogLine) },
    loaded.configuration.settings.logLevel,
  )
  const reload$ = new Subject<void>()
  const stopping = Promise.withResolvers<string>()
  const ended = runDaemon(
    {
      configuration: loaded.configuration,
      bytes,
      read,
      warnings: loaded.warnings,
      overrides,
      build: { version: '1.2.3', commit: 'abc', node: 'v24' },
      ...(options.journal !== undefined && { journal: { path: options.journal, limit: 1 << 20 } }),
      ...(options.shadow !== undefined && { shadow: options.shadow }),
      log: { logger, flush: () => {} },
      reload$,
      stop: stopping.promise,
    },
    host,
  )
  ended.catch(() => {})
  const stop = async (): Promise<void> => {
    stopping.resolve('SIGTERM')
    await ended
  }
  onTestFinished(() => stop().catch(() => {}))
  return {
    host,
    directory,
    log,
    ended,
    reload$,
    stop,
    port,
    reconfigure: async (text) => {
      await writeFile(`${path}.new`, text)
      await rename(`${path}.new`, path)
    },
    fetch: async (where) => {
      const response = await fetch(`http://127.0.0.1:${port}${where}`)
      return { status: response.status, text: await response.text() }
    },
  }
}
