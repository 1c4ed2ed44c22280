import { PointsmanError } from '../../errors.ts'
import type { FirewallKernel } from '../../kernel/for-sinks.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import { Turns } from '../../turns.ts'
import { Backoff } from '../ipvs/backoff.ts'
import type { SinkLog } from '../ipvs/transition.ts'
import { type HalfReport, joinedHalves } from '../reports.ts'
import { TableWatch } from '../snat/table-watch.ts'
import { type FilterTable, placeKey, placeName } from './filter.ts'
import { FollowedSituations } from './followed-situations.ts'
import { type FirewallImage, heldKey, imageOf, lostBetween, unchanged } from './image.ts'
import { iptablesLines } from './iptables-writes.ts'
import { nftCommands } from './nft-writes.ts'
import { HOOKS, type Opening, openingKey } from './opening.ts'
import { markOf, openingText } from './ours.ts'
import { type Edit, planHook, planRemoval } from './plan.ts'
import { readFirewall } from './read-firewall.ts'
import type { Closed } from './situation.ts'
import { type HeldServices, WantedOpenings } from './wanted.ts'

export type { HeldServices } from './wanted.ts'

/** Rules of ours in chains of others that would drop packets of services. `open` comes before IPVS is written, `close` after it. */
export interface FirewallSink extends AsyncDisposable {
  readonly name: 'firewall'
  /** Adds what is missing. `full` reads all filters of the host, repairs and counts drift. Rejects where they cannot be read. */
  open(desired: DesiredState, held: HeldServices, scope: 'changes' | 'full', now: number): Promise<HalfReport>
  /** Takes away what neither the desired state nor IPVS has any more. */
  close(desired: DesiredState, held: HeldServices, now: number): Promise<HalfReport>
  /** Everything of ours out of all filters. Rejects where that fails. */
  remove(): Promise<void>
  /** Called when somebody changed a filter so that a full pass is due. Returns the end of it. */
  onDisturbed(listener: () => void): () => void
  /** Resolves once nothing is being put back between passes. */
  settled(): Promise<void>
}

export interface FirewallSinkOptions {
  readonly kernel: FirewallKernel
  /** Tells instances in one network namespace apart. */
  readonly instance?: string
  /** Names under which earlier processes may have left rules. */
  readonly former?: readonly (string | undefined)[]
  /** Whether IPVS leaves its connections to connection tracking (net.ipv4.vs.conntrack). */
  readonly tracked: () => boolean
  /** Whether rules that others took away may be put back between passes; where this is left out they may. */
  readonly mayRepair?: () => boolean
  /** Called before rules may be written, also again after `remove`; where it rejects none are. */
  readonly begin?: () => Promise<void>
  readonly log?: SinkLog
  /** 0 up to 1, for the jitter of retries; Math.random by default. */
  readonly random?: () => number
}

export function createFirewallSink(options: FirewallSinkOptions): FirewallSink {
  return new ChainFirewallSink(options)
}

type Half = 'open' | 'close'

const NOTHING_DONE: HalfReport = { applied: {}, failed: [], driftRepaired: 0 }

class ChainFirewallSink implements FirewallSink {
  readonly name = 'firewall'
  readonly #options: FirewallSinkOptions
  readonly #mark: string
  readonly #former: readonly string[]
  readonly #backoff: Backoff<Half>
  readonly #watch: TableWatch
  readonly #listeners = new Set<() => void>()
  #image: FirewallImage | undefined
  /** The image is older than what was written since. */
  #stale = false
  readonly #wants = new WantedOpenings()
  readonly #situations: FollowedSituations
  /** For what a half of a pass has left nothing to do, so that the next one need look only at what is otherwise since. */
  readonly #settled = new Map<Half, { readonly image: FirewallImage; readonly revision: number }>()
  /** Where somebody took away or changed what we had put there, and it is not put right yet. */
  readonly #lost = new Set<string>()
  /** What was done between two passes. */
  #meanwhile: HalfReport = NOTHING_DONE
  /** Of the last pass: what failed in it is not tried again before the next. */
  #now = 0
  readonly #turns = new Turns()

  constructor(options: FirewallSinkOptions) {
    this.#options = options
    this.#mark = markOf(options.instance)
    this.#former = (options.former ?? []).map(markOf).filter((mark) => mark !== this.#mark)
    this.#situations = new FollowedSituations(this.#wants, [this.#mark, ...this.#former])
    this.#backoff = new Backoff(options.random ?? Math.random)
    this.#watch = new TableWatch(() => this.#turns.take(() => this.#look()))
  }

  open(desired: DesiredState, held: HeldServices, scope: 'changes' | 'full', now: number): Promise<HalfReport> {
    return this.#turns.take(async () => {
      await this.#options.begin?.()
      this.#watch.follow({ onChange: (listener) => this.#onRuleset(listener) })
      this.#wants.update(desired, held)
      this.#now = now
      const image =
        scope === 'full' || this.#image?.tracked !== this.#options.tracked() ? await this.#read() : await this.#present()
      const report = await this.#carryOut(image, 'open', now)
      const { applied, driftRepaired } = joinedHalves([this.#meanwhile, report])
      this.#meanwhile = NOTHING_DONE
      return { ...report, applied, driftRepaired }
    })
  }

  close(desired: DesiredState, held: HeldServices, now: number): Promise<HalfReport> {
    return this.#turns.take(async () => {
      this.#wants.update(desired, held)
      return this.#carryOut(await this.#present(), 'close', now)
    })
  }

  remove(): Promise<void> {
    return this.#turns.take(async () => {
      this.#watch.end()
      this.#wants.clear()
      this.#image = undefined
      this.#settled.clear()
      this.#lost.clear()
      // A filter that cannot be written is no reason to leave anything in the others.
      let failure: unknown
      for (const table of await readFirewall(this.#options.kernel))
        for (const mark of [this.#mark, ...this.#former])
          await this.#write(table, mark, planRemoval(table, mark), this.#options.tracked()).catch((error: unknown) => {
            failure ??= error
          })
      if (failure !== undefined) throw failure
    })
  }

  onDisturbed(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async settled(): Promise<void> {
    await this.#turns.over()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.end()
    await this.#turns.over()
  }

  async #present(): Promise<FirewallImage> {
    return this.#image === undefined || this.#stale ? await this.#read() : this.#image
  }

  async #read(): Promise<FirewallImage> {
    const read = imageOf(await readFirewall(this.#options.kernel), this.#mark, this.#options.tracked(), this.#image)
    const before = this.#stale ? undefined : this.#image
    if (before?.tracked === read.tracked) for (const key of lostBetween(before, read, this.#mark)) this.#lost.add(key)
    this.#image = unchanged(this.#image, read, this.#mark, this.#stale)
    this.#stale = false
    return this.#image
  }

  async #carryOut(image: FirewallImage, half: Half, now: number): Promise<HalfReport> {
    const settled = this.#settled.get(half)
    const since = settled?.image === image && this.#backoff.size === 0 ? settled.revision : undefined
    const { revision } = this.#wants
    if (since === revision) return NOTHING_DONE
    const applied: Record<string, number> = {}
    let driftRepaired = 0
    const unfinished = new Set<string>()
    for (const table of image.tables) {
      if (table.unwritable?.isMeant) continue
      const { edits, closed } = this.#plan(table, image, half, since)
      this.#tellClosed(table, closed, half, now, unfinished)
      const removals = half === 'close' ? this.#former.map((mark) => ({ mark, edits: planRemoval(table, mark) })) : []
      const former = removals.filter((removal) => removal.edits.length > 0)
      const object = placeName(table.place)
      if (edits.length + former.length === 0) continue
      unfinished.add(object)
      // A table that others have changed since is another one.
      if (this.#backoff.holds(object, table, now)) continue
      try {
        await this.#write(table, this.#mark, edits, image.tracked)
        for (const removal of former) await this.#write(table, removal.mark, removal.edits, image.tracked)
        this.#backoff.clear(object)
        for (const edit of edits) driftRepaired += this.#wrote(table, image, edit, applied)
      } catch (error) {
        if (!(error instanceof PointsmanError)) throw error
        this.#stale = true
        const message = `The rules for services cannot be brought into ${object}: ${error.message}`
        this.#backoff.fail(object, half, table, now, { code: error.code, message })
      }
    }
    this.#backoff.keepOnly(half, unfinished)
    if (this.#backoff.size === 0) this.#settled.set(half, { image, revision })
    else this.#settled.delete(half)
    const wakeAt = this.#backoff.nextRetry()
    return { applied, failed: this.#backoff.list(), driftRepaired, ...(wakeAt !== undefined && { wakeAt }) }
  }

  /** `since`: the revision for which this half has left nothing to do in this image. */
  #plan(table: FilterTable, { held, tracked }: FirewallImage, half: Half, since: number | undefined) {
    const edits: Edit[] = []
    const closed: Closed[] = []
    for (const hook of HOOKS) {
      const { situation, builtAt } = this.#situations.of(table, hook, tracked)
      const change = since === undefined || builtAt > since ? undefined : this.#wants.since(since)
      const input = { table, hook, held, mark: this.#mark, wanted: situation.parts }
      edits.push(...planHook({ ...input, ...(change !== undefined && { change }) }, half))
      if (half === 'open') closed.push(...situation.closed())
    }
    return { edits, closed }
  }

  #tellClosed(table: FilterTable, closed: readonly Closed[], half: Half, now: number, unfinished: Set<string>): void {
    for (const { chain, openings } of closed) {
      const [first] = openings as [Opening]
      const object = `${placeName(table.place)}, chain ${chain}`
      unfinished.add(object)
      if (this.#backoff.holds(object, openingKey(first), now)) continue
      const message = `${placeName(table.place)} drops ${closedText(openings)} in chain ${chain} at a place where a rule would let others past what is refused to them: run the command that \`pointsman doctor\` prints, or accept it there yourself.`
      this.#backoff.fail(object, half, openingKey(first), now, { code: 'KERNEL_REFUSED', message })
    }
  }

  async #write(table: FilterTable, mark: string, edits: readonly Edit[], tracked: boolean): Promise<void> {
    if (edits.length === 0) return
    if (table.unwritable !== undefined) {
      const { why, cure } = table.unwritable
      throw new PointsmanError('KERNEL_REFUSED', cure === undefined ? `${why}.` : `${why}: ${cure}.`)
    }
    const { nftables, iptables } = this.#options.kernel
    if (table.place.kind === 'nft') await nftables.apply(nftCommands(table, mark, edits, tracked))
    else await iptables.restore(table.place.variant, table.place.family, iptablesLines(table, mark, edits, tracked))
  }

  /** Notes what is in a table now, and gives whether that repaired something. */
  #wrote(table: FilterTable, image: FirewallImage, edit: Edit, applied: Record<string, number>): number {
    const count = (kind: string, number: number) => {
      if (number > 0) applied[kind] = (applied[kind] ?? 0) + number
    }
    count('open-chain', edit.jump.length)
    count('close-chain', edit.jump.length === 0 ? edit.unjump.length : 0)
    count('add-rule', edit.put.length)
    count('delete-rule', edit.drop.length)
    const key = heldKey(table, edit.hook, edit.part)
    const openings = image.held.get(key)?.openings
    if (edit.chain !== 'keep' || edit.jump.length + edit.unjump.length > 0) this.#stale = true
    for (const opening of edit.put) openings?.set(openingKey(opening), opening)
    for (const opening of edit.drop) openings?.delete(openingKey(opening))
    const isRepair = this.#lost.delete(key)
    if (isRepair)
      this.#options.log?.warn(
        { table: placeKey(table.place), hook: edit.hook },
        `Somebody else changed ${placeName(table.place)}; the rules for services are in it again.`,
      )
    return isRepair ? 1 : 0
  }

  #onRuleset(listener: (certainty: 'changed' | 'perhaps') => void): () => void {
    return this.#options.kernel.nftables.onChange(() => listener('perhaps'))
  }

  /** Puts back what is missing at once, for nothing passes meanwhile; the full pass that it asks for looks at the rest and tells what was done. */
  async #look(): Promise<void> {
    if (this.#image === undefined || this.#wants.size === 0) return
    const mayNot = () => this.#options.mayRepair?.() === false
    // What is wrong is found by the next pass that may write.
    if (mayNot()) return this.#tellDisturbed()
    const image = await this.#read()
    if (mayNot()) return this.#tellDisturbed()
    const { applied, driftRepaired } = await this.#carryOut(image, 'open', this.#now)
    if (Object.keys(applied).length === 0) return
    this.#meanwhile = joinedHalves([this.#meanwhile, { applied, failed: [], driftRepaired }])
    this.#tellDisturbed()
  }

  #tellDisturbed(): void {
    for (const listener of this.#listeners) listener()
  }
}

function closedText(openings: readonly Opening[]): string {
  const [first] = openings as [Opening]
  return `${openingText(first)}${openings.length === 1 ? '' : ` and ${openings.length - 1} more`}`
}
