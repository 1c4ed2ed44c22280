import type { AdminState, OperatorWords } from '../model/admin-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import { differing, NO_WORDS, type SpokenOf } from '../model/operator-words.ts'
import { GatheredWrites } from './gathered-writes.ts'
import { type KeptFile, type KeptForm, type KeptOptions, type KeptOrigin, keptUnwritable, openKept } from './kept-file.ts'
import type { LineFile } from './line-file.ts'
import { nameIn, type Place } from './place.ts'
import { Unwritten } from './unwritten.ts'
import { movedBy, parseWords, type WordsContent, wordLine, wordsHeader } from './words-file.ts'

const STEM = 'operator-words'

/** Name of the file in the state directory: each network namespace has a table, and words about it, of its own. */
export function wordsFile({ netns }: Pick<Place, 'netns'>): string {
  return nameIn(netns, STEM, 'json')
}

/** Milliseconds: the operator waits for the disk, so that there is nothing to gather but what he says at once. */
const GATHER = 0

/** What the operator said, durably. */
export interface WordsStore extends AsyncDisposable {
  readonly origin: KeptOrigin
  readonly path: string
  /** Numbers of the lines that could not be understood; their words are lost. */
  readonly spoilt: readonly number[]
  readonly words: OperatorWords
  /** Takes the place of all words; written are those that differ. */
  replace(words: OperatorWords): void
  /** Writes what waits; never rejects. Gives whether the file says everything by then. */
  flush(): Promise<boolean>
}

type Words = Extract<WordsContent, { kind: 'words' }>

const FORM: KeptForm<Words> = {
  stem: STEM,
  what: "The operator's words",
  without: 'nothing is drained, in maintenance or under a weight of the operator',
  afterRestart: 'what was said since would be forgotten',
  parse: parseWords,
}

export interface WordsOptions extends KeptOptions {
  /**
   * Milliseconds by which the wall clock is ahead of the clock of the words, now; never by default. The file has the wall
   * clock's times: those of a clock that does not follow its steps mean nothing to the next process.
   */
  readonly ahead?: () => number
}

/** Opens the words of a state directory, as `openKept` does. With access `read` nothing is kept. */
export async function openWords(options: WordsOptions): Promise<WordsStore> {
  return new Kept(await openKept(FORM, options), options)
}

/** In whole seconds: the clocks are never read at the same moment, and a word must not become another one by that. */
function wholeSeconds(milliseconds: number): number {
  return 1_000 * Math.round(milliseconds / 1_000)
}

class Kept implements WordsStore {
  readonly origin: KeptOrigin
  readonly spoilt: readonly number[]
  readonly #file: LineFile
  readonly #options: WordsOptions
  /** How far the wall clock was ahead when the file was read or written last. */
  #ahead: number
  #words: OperatorWords
  readonly #unwritten = new Unwritten<SpokenOf>()
  readonly #writes: GatheredWrites

  constructor({ file, origin, content }: KeptFile<Words>, options: WordsOptions) {
    this.#file = file
    this.#options = options
    this.origin = origin
    this.spoilt = content?.spoilt ?? []
    this.#ahead = this.#aheadNow()
    this.#words = allMovedBy(content?.words ?? NO_WORDS, -this.#ahead)
    this.#writes = new GatheredWrites(
      GATHER,
      () => this.#write(),
      (cause) => options.onFailure?.(keptUnwritable(FORM, this.path, cause)),
    )
  }

  get path(): string {
    return this.#file.path
  }

  get words(): OperatorWords {
    return this.#words
  }

  replace(words: OperatorWords): void {
    const before = this.#words
    this.#words = words
    if (this.#options.access === 'read') return
    this.#wait(differing(before, words))
    if (this.#unwritten.size > 0) this.#writes.soon()
  }

  async flush(): Promise<boolean> {
    await this.#writes.flush()
    return this.#unwritten.size === 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writes.close()
  }

  #aheadNow(): number {
    return wholeSeconds(this.#options.ahead?.() ?? 0)
  }

  #wait(abouts: Iterable<SpokenOf>): void {
    for (const about of abouts) this.#unwritten.add(`${about.service} ${about.backend}`, about)
  }

  async #write(): Promise<void> {
    if (this.#options.access === 'read') return
    const ahead = this.#aheadNow()
    // After a step of the wall clock the times in the file are those of a clock that is gone.
    if (ahead !== this.#ahead) this.#wait(differing(NO_WORDS, this.#words))
    await this.#unwritten.write(async (taken) => {
      const lines = taken.map(([, about]) => this.#lineOf(about, ahead))
      await this.#file.write(lines, () => this.#whole(ahead))
      this.#ahead = ahead
    })
  }

  #lineOf({ service, backend }: SpokenOf, ahead: number): string {
    const word = this.#words.get(service)?.get(backend)
    if (word === undefined) return wordLine({ do: 'unsay', service, backend })
    return wordLine({ do: 'say', service, backend, word: movedBy(word, ahead) })
  }

  *#whole(ahead: number): Generator<string> {
    yield wordsHeader()
    for (const [service, backends] of this.#words) {
      for (const [backend, word] of backends) yield wordLine({ do: 'say', service, backend, word: movedBy(word, ahead) })
    }
  }
}

function allMovedBy(words: OperatorWords, later: number): OperatorWords {
  if (later === 0) return words
  const moved = (backends: ReadonlyMap<DestinationKey, AdminState>) =>
    new Map([...backends].map(([backend, word]) => [backend, movedBy(word, later)]))
  return new Map([...words].map(([service, backends]) => [service, moved(backends)]))
}
