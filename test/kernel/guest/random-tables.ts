/**
 * Drives random tables one into the next on the kernel of the lab, asks ipvsadm about each, and prints the verdict as
 * JSON. Arguments: seed, number of tables, and of these the first and the one behind the last that are driven.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openIpvsKernel, runIpvsWorkerIfAsked } from '../../../src/kernel/for-daemon.ts'
import { openOwnership } from '../../../src/store/ownership.ts'
import { driveTables } from '../../support/random-tables/drive.ts'
import { randomTables } from '../../support/random-tables/generate.ts'
import type { TableModel } from '../../support/random-tables/model.ts'
import { witnessed } from '../../support/random-tables/witness.ts'
import { IpvsadmShell } from './ipvsadm-shell.ts'

async function main(): Promise<void> {
  const [seed = 1, count = 10, first = 0, end = count] = process.argv.slice(2).map(Number)
  const directory = await mkdtemp(join(tmpdir(), 'random-tables-'))
  await using kernel = await openIpvsKernel({ workerUrl: new URL(import.meta.url) })
  const ownership = await openOwnership({ directory })
  using ipvsadm = new IpvsadmShell()
  let asked = 0
  const witness = async (model: TableModel, index: number) => {
    if (index % 100 === 0) console.error(`${index} tables after ${Math.round(performance.now() / 1_000)} s`)
    asked++
    return witnessed(model, await ipvsadm.list('-Sn'), await ipvsadm.list('-Ln --thresholds'))
  }
  const tables = randomTables(seed, count).slice(first, end)
  const began = performance.now()
  const result = await driveTables({ kernel, ownership, tables, witness })
  await rm(directory, { recursive: true })
  console.log(JSON.stringify({ ...result, asked, seconds: Math.round((performance.now() - began) / 1_000) }))
}

if (!runIpvsWorkerIfAsked()) await main()
