/** The door through which sinks see the kernel: types alone, so that a sink cannot tell a real kernel from a scripted one. */
export type { CommandFailure, IpvsCommand, IpvsInfo, IpvsKernel, ReadOptions, WriteReport } from './ipvs-kernel.ts'
