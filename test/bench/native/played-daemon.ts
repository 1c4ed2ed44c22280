/** The whole daemon in this process, on a played kernel. */

import { readFileSync } from 'node:fs'
import pino from 'pino'
import { Subject } from 'rxjs'
import { loadConfiguration } from '../../../src/config/load.ts'
import type { Host } from '../../../src/daemon/host.ts'
import { runDaemon } from '../../../src/daemon.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { probeFor } from '../../../src/health/registry.ts'
import { startProbeWorker } from '../../../src/health/threads/start-thread.ts'
import {
  openConntrackKernel,
  openFirewallKernel,
  openIptablesKernel,
  openIpvsKernel,
  openNftablesKernel,
  openRouteKernel,
} from '../../../src/kernel/for-daemon.ts'
import type { IpvsKernel } from '../../../src/kernel/for-sinks.ts'

class PlayedHost implements Host {
  readonly watchdog = undefined
  readonly probeFor = probeFor
  readonly startProbeThread: Host['startProbeThread'] = (listener) => startProbeWorker(listener)
  #ready: () => void = () => undefined
  readonly ready = new Promise<void>((resolve) => {
    this.#ready = resolve
  })

  openKernel(deadline: number): Promise<IpvsKernel> {
    return openIpvsKernel({ deadlineMs: deadline, workerUrl: new URL('./kernel-worker.ts', import.meta.url) })
  }

  openNftables = () => openNftablesKernel()
  openIptables = () => openIptablesKernel()
  openConntrack = () => openConntrackKernel()
  openFirewall = () => openFirewallKernel()
  openRoutes = () => openRouteKernel()

  writeSysctl(): void {}

  async holdTable(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: async () => undefined }
  }

  async whoHoldsTable(): Promise<undefined> {
    return undefined
  }

  readRuleMarks(): [] {
    return []
  }

  linkTowards(): undefined {
    return undefined
  }

  readSysctl(): number {
    return 1
  }

  listeningPorts(): [] {
    return []
  }

  routesLostToForwarding(): [] {
    return []
  }

  readIpvsTotals(): undefined {
    return undefined
  }

  notify(message: string): void {
    if (message.startsWith('READY=1')) this.#ready()
  }
}

export interface PlayedDaemon {
  /** Settles when the daemon is ready or has ended. */
  readonly ready: Promise<unknown>
  /** Ends it. */
  stop(): Promise<void>
}

/** Starts it with a configuration file. */
export function playDaemon(path: string): PlayedDaemon {
  const bytes = readFileSync(path)
  const loaded = loadConfiguration({ path, bytes })
  if (!loaded.ok) throw new Error(loaded.issues.map(formatIssue).join('\n'))
  const destination = pino.destination({ dest: '/dev/null', sync: false })
  const log = { logger: pino(destination), flush: () => undefined }
  const { promise: stop, resolve: end } = Promise.withResolvers<string>()
  const host = new PlayedHost()
  const running = runDaemon(
    {
      configuration: loaded.configuration,
      bytes,
      warnings: loaded.warnings,
      overrides: {},
      build: { version: 'bench', commit: undefined, node: process.version },
      log,
      reload$: new Subject(),
      stop,
    },
    host,
  )
  return {
    ready: Promise.race([host.ready, running]),
    stop: async () => {
      end('the end of the bench')
      await running
    },
  }
}
