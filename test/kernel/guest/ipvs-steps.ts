/**
 * Works in the lab on the IPVS table of its network namespace, step after step as standard input says, and prints what each
 * step gave as one JSON list: so one start of node serves many assertions. An argument is the file of another namespace.
 */
import { execFile } from 'node:child_process'
import { json } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { PointsmanError } from '../../../src/errors.ts'
import { holdTable, openIpvsKernel, runIpvsWorkerIfAsked } from '../../../src/kernel/for-daemon.ts'
import type { IpvsKernel } from '../../../src/kernel/for-sinks.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { IpvsTable } from '../../../src/model/ipvs-table.ts'
import { withFlush } from '../../support/flush.ts'
import type { Step } from './ipvs-step.ts'

const runProgram = promisify(execFile)

async function main(): Promise<void> {
  const steps = (await json(process.stdin)) as readonly Step[]
  const results: unknown[] = []
  try {
    const netnsPath = process.argv[2]
    await using kernel = await openIpvsKernel(netnsPath === undefined ? {} : { netnsPath })
    for (const step of steps) results.push(await run(kernel, step))
  } catch (error) {
    results.push(refusal(error))
  }
  process.stdout.write(JSON.stringify(results, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)))
}

async function run(kernel: IpvsKernel, step: Step): Promise<unknown> {
  switch (step.do) {
    case 'write':
      return withFlush(kernel).write(step.commands)
    case 'read':
      return plain(await kernel.readTable({ statistics: step.statistics ?? false }))
    case 'read-services':
      return plain(
        await kernel.readServices(step.services, {
          expected: new Map(step.services.map((id) => [id, new Set<DestinationKey>()])),
        }),
      )
    case 'read-timeouts':
      return kernel.readTimeouts()
    case 'read-sync-daemons':
      return kernel.readSyncDaemons()
    case 'info':
      return kernel.info()
    case 'hold':
      return (await holdTable({ command: 'once' })).holder
    case 'witness':
      return (await runProgram(step.command[0] as string, step.command.slice(1))).stdout
  }
}

/** Maps as lists of their values. */
function plain(table: IpvsTable): unknown {
  return [...table.values()].map((reading) => ({ ...reading, destinations: [...reading.destinations.values()] }))
}

function refusal(error: unknown): unknown {
  if (error instanceof PointsmanError) return { code: error.code, message: error.message }
  throw error
}

if (!runIpvsWorkerIfAsked()) await main()
