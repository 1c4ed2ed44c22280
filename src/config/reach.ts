import type { Interfaces } from './parameters/host-address.ts'

/** Why something could not be had, as of an issue. Neither sentence holds the place that was asked for. */
export interface Unreachable {
  readonly ok: false
  readonly problem: string
  readonly remedy: string
}

export type Bytes = { readonly ok: true; readonly bytes: Uint8Array } | Unreachable

/** What a configuration that names more than itself needs of the machine. Nothing rejects. */
export interface Reach {
  /** A regular file as a whole; too large a one is refused unread. */
  read(path: string): Promise<Bytes>
  /** The names in a directory, in any order. */
  list(directory: string): Promise<{ readonly ok: true; readonly names: readonly string[] } | Unreachable>
  /** What a web server answers to one GET; there are limits of time and size. */
  fetch(url: string): Promise<Bytes>
  interfaces(): Interfaces
}
