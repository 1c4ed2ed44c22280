import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** What stands at a path; `size` in bytes. */
export type RegularFile =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  | { readonly kind: 'not regular' }
  | { readonly kind: 'too large'; readonly size: number }

/** Reads a regular file whole, unless it has more than `limit` bytes. Rejects with what the system says where it cannot be opened or read. */
export async function readRegularFile(path: string, limit: number): Promise<RegularFile> {
  // Without O_NONBLOCK a FIFO would hold the open, and a thread that reads files, until somebody writes to it.
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const stat = await handle.stat()
  if (!stat.isFile()) return { kind: 'not regular' }
  if (stat.size > limit) return { kind: 'too large', size: stat.size }
  return { kind: 'read', bytes: await handle.readFile() }
}
