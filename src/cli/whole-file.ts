import type { Stats } from 'node:fs'
import { chmod, chown, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Writes a file that is not there yet. What cannot be written to its end is taken away again: a part of a configuration may well be valid. */
export async function createWhole(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

/** Writes a file, or another one in the place of one that is there, which stays until the new one is whole: a daemon may be following it. */
export async function replaceWhole(path: string, text: string, mode: number): Promise<void> {
  // A link goes on leading to where it leads.
  const target = await realpath(path).catch(() => path)
  const former = await stat(target).catch(absent)
  // A pipe or a device is written to.
  if (former !== undefined && !former.isFile()) return writeFile(target, text)
  // Patterns such as conf.d/* do not mean it.
  const beside = join(dirname(target), `.${basename(target)}-${process.pid}`)
  await createWhole(beside, text, mode)
  try {
    if (former !== undefined) await giveTo(beside, former)
    await rename(beside, target)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** Whoever could read and write the former file can the new one. */
async function giveTo(path: string, { uid, gid, mode }: Stats): Promise<void> {
  await chown(path, uid, gid)
  await chmod(path, mode & 0o7777)
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
