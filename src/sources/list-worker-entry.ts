import { runListWorkerIfAsked } from './list-worker.ts'

runListWorkerIfAsked()
