import { readFileSync, statSync } from 'node:fs'

/** Which run of which kernel, and which of its network namespaces: a record of ownership counts for these alone. */
export interface KernelIdentity {
  /** A UUID that the kernel draws at boot (random(4)). */
  readonly bootId: string
  /** Inode of the namespace (namespaces(7)); the kernel reuses it only after the namespace is gone. */
  readonly netnsInode: number
}

/** The identity that goes with the IPVS table of this process, or of the namespace whose file is given. */
export function kernelIdentity(netnsPath = '/proc/self/ns/net'): KernelIdentity {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return Object.freeze({ bootId, netnsInode: statSync(netnsPath).ino })
}
