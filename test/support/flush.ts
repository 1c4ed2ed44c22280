import type { IpvsKernel, WriteReport } from '../../src/kernel/for-sinks.ts'
import type { AnyIpvsCommand } from '../../src/kernel/ipvs-kernel.ts'

/** The kernels behind the interface, ours and the tests' own, can do more than it lets its users ask for. */
interface FlushableKernel extends IpvsKernel {
  write(commands: readonly AnyIpvsCommand[]): Promise<WriteReport>
}

export function withFlush(kernel: IpvsKernel): FlushableKernel {
  return kernel
}
