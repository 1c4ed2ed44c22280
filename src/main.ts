#!/usr/bin/env node
import { isMainThread, workerData } from 'node:worker_threads'

// A bundle is one file: the threads that work on the kernel, that parse what is large and that ask backends begin here too. Each loads its own
// part alone, for every start of a thread waits for what it loads.
if (isMainThread) {
  const { run } = await import('./cli/program.ts')
  process.exitCode = await run(process.argv.slice(2))
} else if (workerData?.pointsmanWorker === 'lists') {
  const { runListWorkerIfAsked } = await import('./sources/list-worker.ts')
  runListWorkerIfAsked()
} else if (workerData?.pointsmanWorker === 'configuration') {
  const { runLoadWorkerIfAsked } = await import('./daemon/load-worker.ts')
  runLoadWorkerIfAsked()
} else if (workerData?.pointsmanWorker === 'probes') {
  const { runProbeWorkerIfAsked } = await import('./health/threads/probe-worker.ts')
  runProbeWorkerIfAsked()
} else {
  const { runIpvsWorkerIfAsked } = await import('./kernel/ipvs-worker.ts')
  runIpvsWorkerIfAsked()
}
