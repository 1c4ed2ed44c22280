import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Bytes above which a file is no token and no certificate. */
const LIMIT = 1024 * 1024

/** The bytes of a regular file. Rejects with an error whose code or message says in a word or two what is in the way. */
export async function readRegularFile(path: string): Promise<Buffer> {
  // Without O_NONBLOCK a FIFO would hold the open, and a thread that reads files, until somebody writes to it.
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const stat = await handle.stat()
  if (!stat.isFile()) throw new Error('not a regular file')
  if (stat.size > LIMIT) throw new Error(`larger than ${LIMIT} bytes`)
  return await handle.readFile()
}

/** `ENOENT`, `not a regular file`. */
export function whyUnread(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
