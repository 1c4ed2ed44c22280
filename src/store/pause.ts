import { join } from 'node:path'
import type { Pause } from '../model/pause.ts'
import { type Note, readNote, removeNote, writeNote } from './note.ts'
import { currentPlace, nameIn, type Place } from './place.ts'

/** Name of the file in the state directory. */
export function pauseFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, 'pause', 'json')
}

/**
 * The pause of one boot, durably: whoever works on the table by hand must not be surprised by a daemon that was restarted. After a boot the table
 * is empty, and nobody works on it.
 */
export interface PauseStore {
  /** As it was found; undefined: none. */
  readonly found: Pause | undefined
  /** Rejects with STATE_UNWRITABLE. */
  keep(pause: Pause): Promise<void>
  forget(): Promise<void>
}

/** Nothing was found, and nothing is kept. */
export const NEVER_PAUSED: PauseStore = { found: undefined, keep: async () => {}, forget: async () => {} }

export interface PauseStoreOptions {
  readonly directory: string
  /** Milliseconds by which the wall clock is ahead of the clock of the pause, now; the file has the wall clock's times. */
  readonly ahead?: () => number
  /** Left out: the boot and the network namespace of this process. */
  readonly place?: Place
}

export async function openPause({ directory, ahead = () => 0, place: given }: PauseStoreOptions): Promise<PauseStore> {
  const place = given ?? (await currentPlace())
  const path = join(directory, pauseFile(place))
  const note = await readNote(path, place)
  return {
    found: note && moved(pauseIn(note), -ahead()),
    keep: (pause) => writeNote(path, place, { ...moved(pause, ahead()) }, 'a restart ends the pause'),
    forget: () => removeNote(path),
  }
}

/** A note that cannot be understood was one all the same: whoever paused is to be believed rather than surprised. */
function pauseIn({ at, until, reason }: Note): Pause {
  return {
    at: isTime(at) ? at : Date.now(),
    ...(isTime(until) && { until }),
    ...(typeof reason === 'string' && { reason }),
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function moved({ at, until, ...rest }: Pause, by: number): Pause {
  return { ...rest, at: Math.round(at + by), ...(until !== undefined && { until: Math.round(until + by) }) }
}
