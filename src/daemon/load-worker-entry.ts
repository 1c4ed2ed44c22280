import { runLoadWorkerIfAsked } from './load-worker.ts'

runLoadWorkerIfAsked()
