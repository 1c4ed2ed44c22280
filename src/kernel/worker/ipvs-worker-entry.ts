import { runIpvsWorkerIfAsked } from '../ipvs-worker.ts'

runIpvsWorkerIfAsked()
