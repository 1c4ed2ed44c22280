import { runProbeWorkerIfAsked } from './probe-worker.ts'

runProbeWorkerIfAsked()
