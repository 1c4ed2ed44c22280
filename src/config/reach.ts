import { type Document, issueAt, type Path } from '../document/document.ts'
import type { Issue } from '../document/issue.ts'
import type { Interfaces } from './parameters/host-address.ts'

/** Why something could not be had, as of an issue. Neither sentence holds the place that was asked for. */
export interface Unreachable {
  readonly ok: false
  readonly problem: string
  readonly remedy: string
  /** It may be had a moment later. */
  readonly transient?: true
}

export type Bytes = { readonly ok: true; readonly bytes: Uint8Array } | Unreachable

/** `isNone`: nothing is there, or something that is no directory; otherwise there may be one, which cannot be read. */
export type Listing = { readonly ok: true; readonly names: readonly string[] } | (Unreachable & { readonly isNone: boolean })

/** What a configuration that names more than itself needs of the machine. Nothing rejects. */
export interface Reach {
  /** A regular file as a whole; too large a one is refused unread. */
  read(path: string): Promise<Bytes>
  /** The names in a directory, in any order. */
  list(directory: string): Promise<Listing>
  /** What a web server answers to one GET; there are limits of time and size. */
  fetch(url: string): Promise<Bytes>
  interfaces(): Interfaces
}

/** What to say where the name of something stands that could not be had. */
export function unreachableAt(document: Document, path: Path, { problem, remedy, transient }: Unreachable): Issue {
  return { ...issueAt(document, path, 'value', problem, remedy), ...(transient && { transient }) }
}
