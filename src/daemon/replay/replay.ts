import { PointsmanError } from '../../errors.ts'
import type { DesiredUpdate, WantedServices } from '../../pipeline/desired-update.ts'
import { earlierPart } from '../../store/journal-file.ts'
import { type JournalRecord, readJournal } from '../../store/journal-input.ts'
import type { JournalHeader } from '../../store/journal-lines.ts'
import type { JournalTurn } from '../../store/journal-turn.ts'
import { guardTurns } from '../transitions.ts'
import { AsRecorded } from './as-recorded.ts'
import { type Decision, decisionsBetween } from './decisions.ts'
import { type Played, Player } from './player.ts'
import { UnderOther } from './under-other.ts'

export interface ReplayOptions {
  /** Takes the place of the configuration that was recorded. */
  readonly other?: WantedServices
  /** The program that replays. */
  readonly build: { readonly version: string; readonly commit?: string | undefined }
}

/** What a replay tells; times are milliseconds since the epoch. */
export type ReplayLine =
  | { readonly kind: 'decision'; readonly at: number; readonly decision: Decision }
  /** A process began, or the journal goes on after a gap. */
  | { readonly kind: 'began'; readonly at: number; readonly header: JournalHeader }
  /** About the journal as a whole. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'end'; readonly turns: number; readonly decisions: number; readonly from?: number; readonly to?: number }

/**
 * What would have been decided. Throws JOURNAL_UNREADABLE and JOURNAL_INVALID, the latter after all that was decided before the line
 * that is spoilt. The same journal and configuration always give the same lines.
 */
export async function* replay(path: string, options: ReplayOptions): AsyncGenerator<ReplayLine> {
  const stage = new Stage(options)
  for await (const record of recordsOf(path)) yield* stage.take(record)
  yield* stage.end()
}

/** A file that begins in the middle of a run is preceded by the one that was set aside for it. */
async function* recordsOf(path: string): AsyncGenerator<JournalRecord> {
  const records = readJournal(path)
  const first = await records.next()
  if (first.done) return
  const { value } = first
  if (path !== '-' && value.kind === 'header' && value.header.part > 1) yield* earlierRecords(path)
  yield value
  yield* records
}

async function* earlierRecords(path: string): AsyncGenerator<JournalRecord> {
  try {
    yield* readJournal(earlierPart(path))
  } catch (error) {
    if (!(error instanceof PointsmanError) || error.code !== 'JOURNAL_UNREADABLE') throw error
  }
}

class Stage {
  readonly #options: ReplayOptions
  #player: Player | undefined
  #other: UnderOther | undefined
  #header: JournalHeader | undefined
  /** What a part repeats is known already. */
  #isContinued = false
  /** The newest desired state that was told of. */
  #told: DesiredUpdate | undefined
  #isBase = false
  #turns = 0
  #decisions = 0
  #from: number | undefined
  #to: number | undefined
  readonly #notes = new Set<string>()

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  *take(record: JournalRecord): Generator<ReplayLine> {
    switch (record.kind) {
      case 'header':
        yield* this.#begin(record.header)
        break
      case 'cut':
        yield note(`line ${record.line} has no end, as a crash or a full disk leaves it: it is left out`)
        break
      case 'turn':
        if (record.base) this.#prepare(record)
        else yield* this.#play(record)
        break
    }
  }

  *end(): Generator<ReplayLine> {
    yield* this.#afterBase()
    for (const text of [...this.#notes, ...(this.#other?.notes() ?? [])]) yield note(text)
    const [from, to] = [this.#from, this.#to]
    const span = from === undefined || to === undefined ? {} : { from, to }
    yield { kind: 'end', turns: this.#turns, decisions: this.#decisions, ...span }
  }

  *#begin(header: JournalHeader): Generator<ReplayLine> {
    yield* this.#afterBase()
    const before = this.#header
    this.#header = header
    const isSameRun = before?.run === header.run
    this.#isContinued = isSameRun && header.part === before.part + 1 && header.lost === 0
    if (this.#isContinued) return
    if (!isSameRun) this.#told = undefined
    const { other, build } = this.#options
    if (this.#other !== undefined) for (const text of this.#other.notes()) this.#notes.add(text)
    this.#other = other && new UnderOther(other)
    const isSameProgram = header.build.version === build.version && header.build.commit === build.commit
    this.#player = new Player(this.#other ?? new AsRecorded(), other === undefined && isSameProgram ? 'asRecorded' : 'asAsked')
    if (!isSameProgram && other === undefined) this.#notes.add(otherProgram(header.build, build))
    yield { kind: 'began', at: header.at, header }
    if (header.lost > 0) yield note(`${header.lost} events before this are missing: the journal could not be written`)
    if (header.part > 1) yield note('the journal goes on in the middle of a run: what was held or waited then is not known')
  }

  /** Turns that lead to where a part begins are no news. */
  #prepare(turn: JournalTurn): void {
    if (this.#isContinued || this.#player === undefined) return
    this.#isBase = true
    for (const { at } of this.#player.play(turn)) this.#to = at
    this.#to = turn.now
    this.#from ??= turn.now
  }

  *#afterBase(): Generator<ReplayLine> {
    if (!this.#isBase || this.#player === undefined) return
    this.#isBase = false
    yield* this.#tell(this.#to ?? 0, this.#player.update)
  }

  *#play(turn: JournalTurn): Generator<ReplayLine> {
    yield* this.#afterBase()
    this.#turns++
    this.#from ??= turn.now
    this.#to = turn.now
    for (const played of this.#player?.play(turn) ?? []) yield* this.#heard(played)
  }

  *#heard({ at, output: { guards, update } }: Played): Generator<ReplayLine> {
    for (const decision of guards.flatMap(guardTurns)) yield this.#decided(at, decision)
    yield* this.#tell(at, update)
  }

  *#tell(at: number, update: DesiredUpdate | undefined): Generator<ReplayLine> {
    if (update === undefined) return
    for (const decision of decisionsBetween(this.#told, update)) yield this.#decided(at, decision)
    this.#told = update
  }

  #decided(at: number, decision: Decision): ReplayLine {
    this.#decisions++
    return { kind: 'decision', at, decision }
  }
}

function note(text: string): ReplayLine {
  return { kind: 'note', text }
}

function otherProgram(recorded: ReplayOptions['build'], { version, commit }: ReplayOptions['build']): string {
  const text = (build: ReplayOptions['build']) =>
    build.commit === undefined ? build.version : `${build.version} (${build.commit.slice(0, 12)})`
  return `recorded by version ${text(recorded)}, replayed by ${text({ version, commit })}, which may decide otherwise`
}
