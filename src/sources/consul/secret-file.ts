import { readRegularFile } from '../../document/regular-file.ts'

/** Bytes above which a file is no token and no certificate. */
const LIMIT = 1024 * 1024

/** The bytes of a regular file. Rejects with an error whose code or message says in a word or two what is in the way. */
export async function readSecretFile(path: string): Promise<Buffer> {
  const file = await readRegularFile(path, LIMIT)
  if (file.kind === 'not regular') throw new Error('not a regular file')
  if (file.kind === 'too large') throw new Error(`larger than ${LIMIT} bytes`)
  return file.bytes
}

/** `ENOENT`, `not a regular file`. */
export function whyUnread(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
