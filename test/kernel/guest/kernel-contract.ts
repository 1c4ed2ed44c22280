/** Runs the kernel contract on the lab's kernel and prints the results as JSON. Argument: a link that is up. */
import { openIpvsKernel, runIpvsWorkerIfAsked } from '../../../src/kernel/for-daemon.ts'
import { runContract } from '../../support/kernel-contract.ts'

async function main(): Promise<void> {
  await using kernel = await openIpvsKernel({ workerUrl: new URL(import.meta.url) })
  console.log(JSON.stringify(await runContract(kernel, { link: process.argv[2] ?? 'lo' })))
}

if (!runIpvsWorkerIfAsked()) await main()
