import { appendFileSync } from 'node:fs'
import type { IpvsCommand } from '../../../src/kernel/for-sinks.ts'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import type { SyncDaemon } from '../../../src/model/ipvs-table.ts'
import { createIpvsSink } from '../../../src/sinks/ipvs/ipvs-sink.ts'
import { openOwnership } from '../../../src/store/ownership.ts'
import { held, identity, service, state, virtual, wanted } from '../desired.ts'
import { FakeKernel } from '../fake-kernel.ts'

export const PLACE = { bootId: 'crash-boot', netns: '1' }

/** What is there before and belongs to somebody else. */
export const FOREIGN: readonly IpvsCommand[] = [
  { kind: 'add-service', service: virtual('tcp/10.0.0.9:80') },
  { kind: 'add-destination', service: identity('tcp/10.0.0.9:80'), destination: held('10.9.0.1:80') },
  { kind: 'add-service', service: virtual('tcp/10.0.0.1:80') },
  { kind: 'add-destination', service: identity('tcp/10.0.0.1:80'), destination: held('10.9.0.2:80', { weight: 4 }) },
]

const MASTER: SyncDaemon = { role: 'master', interface: 'eth0', id: 5 }
const BACKUP: SyncDaemon = { role: 'backup', interface: 'eth0', id: 5 }

/**
 * States with something of everything: adoption, creation, edits, a drain, a drain called off, deletions of both kinds; sync
 * daemons that start, change and stop.
 */
export const STATES: readonly DesiredState[] = [
  state(
    [service('tcp/10.0.0.1:80', ['10.1.0.1:80', '10.1.0.2:80']), service('udp/10.0.0.1:53', ['10.1.0.1:53', '10.1.0.2:53'])],
    { syncDaemons: [MASTER, BACKUP] },
  ),
  state(
    [
      service('tcp/10.0.0.1:80', ['10.1.0.1:80', '10.1.0.3:80'], { scheduler: 'rr' }),
      service('udp/10.0.0.1:53', [wanted('10.1.0.2:53', { weight: 3 }), '10.1.0.3:53']),
      service('tcp/10.0.0.2:80', ['10.1.0.1:80']),
    ],
    { syncDaemons: [{ ...MASTER, id: 6 }] },
  ),
  state(
    [
      service('tcp/10.0.0.1:80', ['10.1.0.2:80', '10.1.0.3:80'], { scheduler: 'rr' }),
      service('sctp/10.0.0.2:80', ['10.1.0.1:80']),
    ],
    { syncDaemons: [BACKUP] },
  ),
]

/** Runs through the states with a pause after each in which drains end; every write goes to a file as it is made. */
export async function runScenario(
  kernel: FakeKernel,
  directory: string,
  states: readonly DesiredState[],
  start: number,
): Promise<number> {
  const ownership = await openOwnership({ directory, place: PLACE })
  const sink = createIpvsSink({ kernel, ownership, random: () => 0.5 })
  let now = start
  for (const desired of states) {
    let report = await sink.reconcile(desired, 'changes', now)
    while (report.draining > 0) {
      now = report.wakeAt ?? now + 1_000
      report = await sink.reconcile(desired, 'changes', now)
    }
    now += 1_000
  }
  return now
}

/** The kernel of a process that is going to be killed: its table outlives it in a file, as a real one would. */
export function persistentKernel(file: string): FakeKernel {
  const kernel = new FakeKernel()
  kernel.tamper(...FOREIGN)
  kernel.onWrite = (commands) => appendFileSync(file, commands.map((command) => `${JSON.stringify(command)}\n`).join(''))
  return kernel
}
