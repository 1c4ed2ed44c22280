import { MOST_OF_AN_ANSWER } from './answer-text.ts'

/** Cuts what comes in over a connection into lines. */
export class Lines {
  readonly #ending: RegExp
  #bytes = 0
  #rest = ''

  constructor(ending: RegExp) {
    this.#ending = ending
  }

  /** More has come than anybody reads. */
  get tooMany(): boolean {
    return this.#bytes > MOST_OF_AN_ANSWER
  }

  /** What stands behind the last ending. */
  get rest(): string {
    return this.#rest
  }

  /** The lines that are whole now. */
  add(chunk: Buffer): string[] {
    this.#bytes += chunk.length
    if (this.tooMany) return []
    const lines = (this.#rest + chunk.toString('latin1')).split(this.#ending)
    this.#rest = lines.pop() ?? ''
    return lines
  }
}
