import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PointsmanError } from '../errors.ts'
import { jsonLine, parseJson } from './json-line.ts'
import { errnoOf, readIfThere, syncDirectory } from './line-file.ts'
import type { Place } from './place.ts'

/** A small file that says one thing of one boot: `{ bootId, … }`. */
export type Note = Readonly<Record<string, unknown>>

/**
 * What the note says of this boot; undefined where there is none, or one of an earlier boot. One that cannot be understood says nothing and is taken for one of
 * this boot.
 */
export async function readNote(path: string, { bootId }: Place): Promise<Note | undefined> {
  const found = await readIfThere(path).catch(() => ({ text: '' }))
  if (found === undefined) return undefined
  const content = parseJson(found.text)
  if (typeof content !== 'object' || content === null || !('bootId' in content)) return {}
  return content.bootId === bootId ? (content as Note) : undefined
}

/** Durable, and never half written. Rejects with STATE_UNWRITABLE; `untilThen` completes "until then …" in its sentence. */
export async function writeNote(path: string, place: Place, note: Note, untilThen: string): Promise<void> {
  try {
    await replaceNote(path, place, note)
  } catch (cause) {
    const sentence = `The note ${path} cannot be written (${errnoOf(cause)}): make ${dirname(path)} writable and free space on its disk; until then ${untilThen}.`
    throw new PointsmanError('STATE_UNWRITABLE', sentence, { cause, detail: { path } })
  }
}

async function replaceNote(path: string, { bootId }: Place, note: Note): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const beside = `${path}.new`
  const file = await open(beside, 'w', 0o644)
  try {
    await file.writeFile(jsonLine({ bootId, ...note }))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
  await syncDirectory(dirname(path))
}

/** A note that cannot be removed makes the next start look again, and no more. */
export async function removeNote(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {})
}
