import { mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PointsmanError } from '../errors.ts'

/**
 * Makes sure that the durable record can be kept, by writing a file beside it: permissions, a read-only file system and a
 * full disk all show only then. Rejects with STATE_UNWRITABLE.
 */
export async function assertWritable(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 })
    await writeProbe(directory)
  } catch (cause) {
    throw new PointsmanError(
      'STATE_UNWRITABLE',
      `The state directory ${directory} cannot be written (${codeOf(cause)}): make it writable, or set global.state_dir to another one; without it nobody would know after a restart what is ours.`,
      { cause, detail: { directory } },
    )
  }
}

/** Why a directory cannot be used. */
export interface DirectoryTrouble {
  /** One sentence without its end. */
  readonly problem: string
  /** The kernel's word for it. */
  readonly errno?: string
}

/**
 * Why the directory cannot be written, or made where it is not there; undefined where it can. Tries it as `assertWritable`
 * does, and leaves nothing behind: in place of a missing directory another one is made, as near to it as there is a place.
 */
export async function tryDirectory(directory: string): Promise<DirectoryTrouble | undefined> {
  const existing = await nearestExisting(directory)
  try {
    if (!(await stat(existing)).isDirectory()) return { problem: `${existing} is not a directory` }
    if (existing === directory) await writeProbe(directory)
    else await makeProbe(existing)
    return undefined
  } catch (error) {
    const errno = codeOf(error)
    const what = existing === directory ? `${directory} cannot be written` : `${directory} cannot be made in ${existing}`
    return { problem: `${what} (${errno})`, errno }
  }
}

/** The directory, or the nearest above it that is there. */
export async function nearestExisting(directory: string): Promise<string> {
  let existing = directory
  while (!(await exists(existing)) && dirname(existing) !== existing) existing = dirname(existing)
  return existing
}

async function makeProbe(parent: string): Promise<void> {
  const directory = await mkdtemp(join(parent, '.pointsman-probe-'))
  try {
    await writeProbe(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function writeProbe(directory: string): Promise<void> {
  const probe = join(directory, `.pointsman-probe-${process.pid}`)
  const file = await open(probe, 'w', 0o600)
  try {
    await file.writeFile('pointsman\n')
    await file.datasync()
  } finally {
    await file.close()
    await rm(probe, { force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch {
    return false
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
