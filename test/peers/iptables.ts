/** iptables of Debian, both variants, without installing it: then it would take part in everything on this machine. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { unpackedPackages } from './debian-package.ts'

export interface UnpackedIptables {
  /** Folder of `iptables-nft-restore`, `iptables-legacy-save`, … */
  readonly path: string
  /** What they need to find their libraries and extensions. */
  readonly env: Readonly<Record<string, string>>
}

export async function unpackedIptables(): Promise<UnpackedIptables> {
  const dir = await unpackedPackages({ name: 'iptables', suite: 'bookworm', packages: ['iptables'] })
  const triplet = readdirSync(join(dir, 'usr/lib')).find((name) => name.endsWith('-linux-gnu')) ?? ''
  const libraries = join(dir, 'usr/lib', triplet)
  return { path: join(dir, 'usr/sbin'), env: { LD_LIBRARY_PATH: libraries, XTABLES_LIBDIR: join(libraries, 'xtables') } }
}
