import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PointsmanError } from '../errors.ts'
import { GatheredWrites } from './gathered-writes.ts'
import { JournalFile, NoJournal } from './journal-file.ts'
import { type JournalHeader, JournalLines } from './journal-lines.ts'
import { JournalMemory, type JournalTurn } from './journal-turn.ts'
import { errnoOf } from './line-file.ts'

/** Milliseconds for which turns are gathered: a crash costs the turns of that time. */
const GATHER = 100
/** Turns that wait for the disk at the most. */
const WAITING = 10_000
/** Characters of one write. */
const WRITE = 65_536
/** Pieces that are made without a pause: whoever else runs in this thread must not wait. */
const PIECES_IN_A_ROW = 16

export interface JournalOptions {
  readonly path: string
  /** Bytes above which the file is set aside as `.1` and begun anew. */
  readonly limit: number
  readonly build: JournalHeader['build']
  /** Told once when writing begins to fail. */
  readonly onFailure: (error: PointsmanError) => void
  /** Told of turns that will not be written. */
  readonly onLost: (count: number) => void
  /** Told when it is written again, and how many turns are missing. */
  readonly onRecovered: (lost: number) => void
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** A record of all that the pipeline was given: written in the background, never waited for, and never a reason to stop. */
export interface Journal extends AsyncDisposable {
  /** The turn must not be changed afterwards. */
  record(turn: JournalTurn): void
  /** Writes what waits; never rejects. */
  flush(): Promise<void>
}

/** Opens a journal and begins a run in it. Rejects with JOURNAL_UNWRITABLE. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const journal = new Recorder(options)
  try {
    await journal.begin()
  } catch (cause) {
    throw unwritable(options.path, cause, 'name another file with --journal, or make it possible to write this one')
  }
  return journal
}

function unwritable(path: string, cause: unknown, cure: string): PointsmanError {
  const why = cause instanceof NoJournal ? cause.message : errnoOf(cause)
  return new PointsmanError('JOURNAL_UNWRITABLE', `The journal ${path} cannot be written (${why}): ${cure}.`, {
    cause,
    detail: { path },
  })
}

class Recorder implements Journal {
  readonly #options: JournalOptions
  readonly #run = randomUUID()
  readonly #lines = new JournalLines()
  readonly #writes: GatheredWrites
  #file: JournalFile | undefined
  #part = 0
  /** Bytes of the part's beginning, which repeats what was known. */
  #beginning = 0
  #waiting: JournalTurn[] = []
  /** Turns after those that wait and that will not be written; absent: none. */
  #missed: JournalMemory | undefined
  #isFailing = false
  #missing = 0

  constructor(options: JournalOptions) {
    this.#options = options
    const cure = 'the daemon goes on without it and tries again; free space on its disk, or make it writable again'
    this.#writes = new GatheredWrites(
      GATHER,
      () => this.#write(),
      (cause) => options.onFailure(unwritable(options.path, cause, cure)),
    )
  }

  record(turn: JournalTurn): void {
    if (this.#isFailing || this.#missed !== undefined || this.#waiting.length >= WAITING) {
      this.#missed ??= new JournalMemory()
      this.#missed.take(turn)
      this.#lose(1)
    } else this.#waiting.push(turn)
    this.#writes.soon()
  }

  flush(): Promise<void> {
    return this.#writes.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writes.close()
    await this.#file?.close().catch(() => {})
  }

  /** Begins a part in the file as it is found now. */
  async begin(): Promise<void> {
    await this.#file?.close().catch(() => {})
    this.#file = undefined
    const found = await JournalFile.open(this.#options.path)
    this.#file = found
    if (found.size < this.#options.limit) await this.#beginPart(found)
    else await this.#rotate(found)
  }

  async #rotate(full: JournalFile): Promise<void> {
    this.#file = undefined
    await full.setAside()
    const file = await JournalFile.open(this.#options.path)
    this.#file = file
    await this.#beginPart(file)
  }

  async #beginPart(file: JournalFile): Promise<void> {
    const { build, now = Date.now } = this.#options
    this.#part++
    const before = file.size
    if (file.isCut) await file.append('\n')
    const lost = this.#missing
    await append(file, this.#lines.begin({ build, run: this.#run, part: this.#part, lost, at: now() }))
    this.#missing -= lost
    this.#beginning = file.size - before
  }

  async #write(): Promise<void> {
    const turns = this.#waiting
    this.#waiting = []
    let written = 0
    // Nothing waits before what is missing.
    if (this.#isFailing) this.#skipMissed()
    try {
      if (this.#isFailing || this.#file === undefined || !(await this.#file.isAsLeft())) await this.#beginAgain()
      for (const turn of turns) {
        if (this.#file === undefined) throw new Error('no file')
        await append(this.#file, this.#lines.lineOf(turn))
        written++
        if (this.#isFull(this.#file)) await this.#rotate(this.#file)
      }
      if (this.#skipMissed()) await this.#beginAgain()
    } catch (cause) {
      const rest = [...turns.slice(written), ...this.#waiting]
      this.#waiting = []
      for (const turn of rest) this.#lines.skip(turn)
      this.#lose(rest.length)
      this.#isFailing = true
      throw cause
    }
  }

  #lose(count: number): void {
    this.#missing += count
    if (count > 0) this.#options.onLost(count)
  }

  /** What is missing is told by the part that begins after it. */
  async #beginAgain(): Promise<void> {
    const missing = this.#missing
    await this.begin()
    if (missing > 0) this.#options.onRecovered(missing)
    this.#isFailing = false
  }

  /** Whether anything was. */
  #skipMissed(): boolean {
    const missed = this.#missed
    this.#missed = undefined
    for (const turn of missed?.summary() ?? []) this.#lines.skip(turn)
    return missed !== undefined
  }

  /** A part that is mostly its beginning is not worth another one. */
  #isFull({ size }: JournalFile): boolean {
    return size >= this.#options.limit && size >= 2 * this.#beginning
  }
}

async function append(file: JournalFile, pieces: Iterable<string>): Promise<void> {
  let text = ''
  let count = 0
  for (const piece of pieces) {
    text += piece
    count++
    if (text.length >= WRITE) {
      await file.append(text)
      text = ''
    } else if (count % PIECES_IN_A_ROW === 0) await nextTurn()
  }
  if (text !== '') await file.append(text)
}
