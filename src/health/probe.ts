import type { ProbeResult } from '../model/probe-result.ts'

/**
 * Asks a backend once. A kind of probe is a function that makes one of these from what it is to ask; whoever runs it keeps
 * the time (checks.ts). When `signal` aborts, because the deadline has come or nobody wants the answer any more, it frees
 * all that it holds and settles at once. It has no reason to reject: that is a defect, and tells nothing about the backend.
 */
export type Probe = (signal: AbortSignal) => Promise<ProbeResult>
