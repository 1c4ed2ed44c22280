import { dirname, join } from 'node:path'
import { PointsmanError } from '../errors.ts'
import { type InUse, leftBehind } from './left-behind.ts'
import { errnoOf, LineFile, readIfThere, setAside } from './line-file.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** How the file was found. `corrupt`: it could not be understood, nothing of it is used, and `setAside` is where it went. */
export type KeptOrigin =
  | { readonly kind: 'none' | 'loaded' }
  | { readonly kind: 'corrupt'; readonly reason: string; readonly setAside?: string }

export interface KeptOptions {
  readonly directory: string
  /** `read` never writes or renames: for commands that only look. */
  readonly access?: 'write' | 'read'
  /** Left out: the network namespace of this process. */
  readonly place?: Place
  /** Lets a namespace without a file of its own take over one that is not in use. */
  readonly inUse?: InUse
  /** Milliseconds since the epoch; names the file that is set aside. */
  readonly now?: () => number
  /** Told once when writing begins to fail, and of nothing more until it has succeeded again. */
  readonly onFailure?: (error: PointsmanError) => void
}

type Unusable = { readonly kind: 'newer'; readonly version: number } | { readonly kind: 'corrupt'; readonly reason: string }

/** A kind of file that outlives the network namespace it was made in. */
export interface KeptForm<Content extends { readonly kind: string; readonly lines: number; readonly torn: boolean }> {
  /** Of its name. */
  readonly stem: string
  /** Of its sentences: `The claims`. */
  readonly what: string
  /** What is so without the file, and what after a restart when it cannot be written. */
  readonly without: string
  readonly afterRestart: string
  parse(text: string): Content | Unusable
}

/** A file as it was found, open to be written. */
export interface KeptFile<Content> {
  readonly file: LineFile
  readonly origin: KeptOrigin
  /** Absent where there was no file, or none that could be understood. */
  readonly content?: Content
}

/**
 * Opens a file of a state directory. A namespace without one of its own takes over the newest that no daemon uses: a container
 * gets another namespace at each of its starts. Rejects with STATE_NEWER when a later version wrote it (nothing is changed then)
 * and with STATE_UNWRITABLE when the file exists and cannot be read or, being unreadable, not be renamed.
 */
export async function openKept<Content extends { readonly kind: string; readonly lines: number; readonly torn: boolean }>(
  form: KeptForm<Content>,
  { directory, inUse, access, now = Date.now, ...options }: KeptOptions,
): Promise<KeptFile<Content>> {
  const place = options.place ?? (await currentPlace())
  const path = join(directory, nameIn(place.netns, form.stem, 'json'))
  const own = await orUnusable(form, path, readIfThere(path))
  const left = own === undefined && inUse !== undefined ? await leftBehind(directory, form.stem, place, inUse) : undefined
  const found = own ?? (left === undefined ? undefined : await orUnusable(form, left, readIfThere(left)))
  if (found === undefined) return { file: new LineFile(path, undefined), origin: { kind: 'none' } }
  const foundAt = left ?? path
  const parsed = form.parse(found.text)
  if (isNewer(parsed)) throw newer(form, foundAt, parsed.version)
  if (isCorrupt(parsed)) {
    const { reason } = parsed
    const aside = access === 'read' ? undefined : await orUnusable(form, foundAt, setAside(foundAt, now))
    const origin = { kind: 'corrupt', reason, ...(aside !== undefined && { setAside: aside }) } as const
    return { file: new LineFile(path, undefined), origin }
  }
  const appendable = parsed.torn || own === undefined ? undefined : { lines: parsed.lines, mark: own.mark }
  return { file: new LineFile(path, appendable, left), origin: { kind: 'loaded' }, content: parsed }
}

/** The sentence for a write that failed. */
export function keptUnwritable(
  { what, afterRestart }: Pick<KeptForm<never>, 'what' | 'afterRestart'>,
  path: string,
  cause: unknown,
) {
  return new PointsmanError(
    'STATE_UNWRITABLE',
    `${what} cannot be kept in ${path} (${errnoOf(cause)}): make ${dirname(path)} writable and free space on its disk; after a restart ${afterRestart}.`,
    { cause, detail: { path } },
  )
}

function isNewer(parsed: { readonly kind: string }): parsed is Extract<Unusable, { kind: 'newer' }> {
  return parsed.kind === 'newer'
}

function isCorrupt(parsed: { readonly kind: string }): parsed is Extract<Unusable, { kind: 'corrupt' }> {
  return parsed.kind === 'corrupt'
}

async function orUnusable<T>({ what }: Pick<KeptForm<never>, 'what'>, path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new PointsmanError(
      'STATE_UNWRITABLE',
      `${what} in ${path} cannot be read or set aside (${errnoOf(cause)}): give this user access to the file, or set state_dir to a directory of its own.`,
      { cause, detail: { path } },
    )
  }
}

function newer({ what, without }: Pick<KeptForm<never>, 'what' | 'without'>, path: string, version: number): PointsmanError {
  return new PointsmanError(
    'STATE_NEWER',
    `${what} in ${path} were written by a later version of Pointsman (format ${version}): run that version again, or move the file away; then ${without}.`,
    { detail: { path, version } },
  )
}
