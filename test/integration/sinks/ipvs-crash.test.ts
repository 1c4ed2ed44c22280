import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FAILPOINTS } from '../../../src/failpoint.ts'
import type { IpvsCommand } from '../../../src/kernel/for-sinks.ts'
import { openOwnership } from '../../../src/store/ownership.ts'
import { FOREIGN, PLACE, persistentKernel, runScenario, STATES } from '../../support/crash/scenario.ts'
import { FakeKernel } from '../../support/fake-kernel.ts'
import { linesOf } from '../../support/random-tables/model.ts'

const child = new URL('../../support/crash/child.ts', import.meta.url).pathname

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pointsman-crash-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** Runs the child; true when the failpoint killed it, false when it got to the end. */
async function killedAt(failpoint: string, kernelFile: string, state: string): Promise<boolean> {
  const env = { ...process.env, POINTSMAN_FAILPOINT: failpoint }
  const running = spawn(process.execPath, [child, kernelFile, state], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code, signal] = (await once(running, 'exit')) as [number | null, string | null]
  if (signal === 'SIGKILL') return true
  expect(code).toBe(0)
  return false
}

/** The table as the killed process left it. */
function tableLeft(kernelFile: string): FakeKernel {
  const kernel = new FakeKernel()
  kernel.tamper(...FOREIGN)
  const written = existsSync(kernelFile) ? readFileSync(kernelFile, 'utf8').trim() : ''
  const commands = written === '' ? [] : written.split('\n').map((line) => JSON.parse(line) as IpvsCommand)
  kernel.tamper(...commands)
  return kernel
}

async function endOf(kernel: FakeKernel): Promise<unknown> {
  return { table: linesOf(await kernel.readTable()), syncDaemons: await kernel.readSyncDaemons() }
}

async function undisturbedEnd(): Promise<unknown> {
  const kernel = persistentKernel(join(directory, 'undisturbed'))
  await runScenario(kernel, join(directory, 'undisturbed-state'), STATES, 1_000)
  return endOf(kernel)
}

describe('a process that is killed', () => {
  it.each(FAILPOINTS.filter((name) => name.startsWith('ipvs.')))(
    'at %s loses no ownership, however often it passed there before',
    async (failpoint) => {
      const end = await undisturbedEnd()
      const foreign = new Set(['10.9.0.1:80', '10.9.0.2:80'])
      let kills = 0
      for (;;) {
        const [file, state] = [join(directory, `kernel-${kills}`), join(directory, `state-${kills}`)]
        if (!(await killedAt(`${failpoint}:${kills + 1}`, file, state))) break
        kills += 1
        const kernel = tableLeft(file)
        const { record, origin } = await openOwnership({ directory: state, place: PLACE })
        expect(['loaded', 'none']).toContain(origin.kind)
        for (const [key, { destinations }] of await kernel.readTable()) {
          for (const name of destinations.keys()) {
            if (!foreign.has(name))
              expect(record.services.get(key)?.destinations.has(name), `${key} ${name} after kill ${kills}`).toBe(true)
          }
        }
        for (const { role } of await kernel.readSyncDaemons())
          expect(record.syncDaemons.has(role), `${role} after kill ${kills}`).toBe(true)
        await runScenario(kernel, state, STATES.slice(-1), 1_000_000)
        expect(await endOf(kernel), `after kill ${kills}`).toEqual(end)
        const after = await openOwnership({ directory: state, place: PLACE })
        expect([...after.record.services.keys()].sort()).toEqual([...(STATES.at(-1)?.services.keys() ?? [])].sort())
        expect([...after.record.syncDaemons]).toEqual(['backup'])
      }
      expect(kills, 'the failpoint is passed').toBeGreaterThan(1)
    },
    180_000,
  )
})
