import type { Issue } from './issue.ts'
import { readRegularFile } from './regular-file.ts'

/** The largest file that is parsed: some 80,000 backends. The YAML parser takes about a second for each megabyte. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024

export type ReadResult = { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly issue: Issue }

/** Reads a regular file whole. Refuses what is too large before reading it; never throws for what a user may have done. */
export async function readDocument(path: string, limit: number = MAX_DOCUMENT_BYTES): Promise<ReadResult> {
  try {
    const file = await readRegularFile(path, limit)
    if (file.kind === 'not regular') return unreadable(path, 'is not a regular file', 'name a YAML or JSON file')
    if (file.kind === 'too large') return { ok: false, issue: tooLarge(path, file.size, limit) }
    return { ok: true, bytes: file.bytes }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    return unreadable(
      path,
      READ_PROBLEMS[code] ?? `cannot be read (${code})`,
      READ_REMEDIES[code] ?? 'check the path and its permissions',
      isTransient(code),
    )
  }
}

/** The issue for a document above the limit. */
export function tooLarge(path: string, size: number, limit: number = MAX_DOCUMENT_BYTES): Issue {
  return {
    file: path,
    path: '',
    problem: `the file has ${size} bytes, more than the ${limit} (${limit / 1024 / 1024} MiB) that are read`,
    remedy: 'split it, or move long lists of backends to files of their own and name them as file sources',
  }
}

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'the file may not be read by this user',
  EISDIR: 'is a directory',
  ELOOP: 'the path is a loop of symbolic links',
}

const READ_REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'check the path, or create the file',
  EACCES: 'make it readable for the user that Pointsman runs as',
  EISDIR: 'name a YAML or JSON file',
}

/** Of a mount that is away, or a process that has too much open: the path may be right. */
const TRANSIENT = ['EAGAIN', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE', 'ETIMEDOUT']

/** Whether an error of the file system may be none a moment later. */
export function isTransient(code: string): boolean {
  return TRANSIENT.includes(code)
}

function unreadable(path: string, problem: string, remedy: string, transient = false): ReadResult {
  return { ok: false, issue: { file: path, path: '', problem, remedy, ...(transient && { transient }) } }
}
