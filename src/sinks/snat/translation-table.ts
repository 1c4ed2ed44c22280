import { PointsmanError } from '../../errors.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { TableImage } from './table-image.ts'
import { type HeldTranslation, type MatchKey, matchKey, type Translation } from './translation.ts'

/** One change of a table. */
export interface TableEdit {
  /** Added; where their connections have another translation it is replaced in the same moment. */
  readonly put: readonly Translation[]
  readonly drop: readonly MatchKey[]
  /** The ports that translated connections come from. */
  readonly ports: PortRange
}

/** Where translations are kept: a table of nftables, or chains of iptables. Errors are those of NftablesKernel. */
export interface TranslationTable {
  /** As people know it: `nftables table inet pointsman`. */
  readonly name: string
  /** What is there, judged by the ports that its rules are to have. */
  read(ports: PortRange): Promise<TableImage>
  /**
   * All of an edit or none of it. What is wrong with the table itself is put right in the same moment, and what it holds stays held. `image` is
   * what it is believed to hold, and is used up by it; given back is what it holds afterwards.
   */
  write(image: TableImage, edit: TableEdit): Promise<TableImage>
  /** Takes everything away. A table that is not there is no error. */
  remove(): Promise<void>
  /** Called when somebody else changed it, or may have done so. Returns the end of it. */
  onChange(listener: (certainty: 'changed' | 'perhaps') => void): () => void
}

/** What is held after an edit. */
export function heldAfter({ held }: TableImage, edit: TableEdit): ReadonlyMap<MatchKey, HeldTranslation> {
  return changed(new Map(held), edit)
}

/** The same, in the place of what was held: thousands of others are not copied for one. */
export function holdAfter(image: TableImage, edit: TableEdit): ReadonlyMap<MatchKey, HeldTranslation> {
  return image.state === 'absent' ? heldAfter(image, edit) : changed(image.held as Map<MatchKey, HeldTranslation>, edit)
}

function changed(held: Map<MatchKey, HeldTranslation>, { put, drop }: TableEdit): ReadonlyMap<MatchKey, HeldTranslation> {
  for (const key of drop) held.delete(key)
  for (const { match, target } of put) held.set(matchKey(match), { match, target, connections: 0n })
  return held
}

/** Why a table, or a chain, that has nothing of ours in it is left as it is. */
export function notOurs(name: string): PointsmanError {
  const sentence = `The ${name} has nothing in it that Pointsman made, so it is left to whoever made it: give that one another name, or Pointsman another global.instance.`
  return new PointsmanError('KERNEL_REFUSED', sentence)
}
