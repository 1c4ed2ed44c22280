import { readFile, stat } from 'node:fs/promises'

/** The kernel table that a record speaks of: one boot of one machine, and one network namespace of it. */
export interface Place {
  /** `/proc/sys/kernel/random/boot_id` */
  readonly bootId: string
  /** Inode of `/proc/self/ns/net`, as text: it does not outlive the boot, hence both. */
  readonly netns: string
}

/** Where this process is. */
export async function currentPlace(): Promise<Place> {
  const [bootId, namespace] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    stat('/proc/self/ns/net', { bigint: true }),
  ])
  return { bootId: bootId.trim(), netns: namespace.ino.toString() }
}

/** The name that belongs to one network namespace, where several share a state directory: `ownership-4026531840.json`. */
export function nameIn(netns: string, stem: string, ending: string): string {
  return `${stem}-${netns}.${ending}`
}

/** Whose such a name is; undefined for every other name. */
export function netnsOf(name: string, stem: string, ending: string): string | undefined {
  const inode = name.slice(stem.length + 1, -(ending.length + 1))
  return /^\d+$/.test(inode) && name === nameIn(inode, stem, ending) ? inode : undefined
}
