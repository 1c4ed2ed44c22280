import { StringDecoder } from 'node:string_decoder'
import type { TextMatch } from '../model/probe-spec.ts'

/** Bytes of an answer that are looked at; what comes behind them is not waited for. */
export const MOST_OF_AN_ANSWER = 65_536

/** Looks for a text in an answer while it comes in. */
export class AnswerText {
  readonly #match: TextMatch
  readonly #decoder: StringDecoder
  readonly #pattern: RegExp | undefined
  #text = ''
  #bytes = 0

  /** `latin1` where an answer is bytes, `utf8` where it is text. */
  constructor(match: TextMatch, encoding: 'latin1' | 'utf8') {
    this.#match = match
    this.#decoder = new StringDecoder(encoding)
    this.#pattern = match.by === 'pattern' ? new RegExp(match.value) : undefined
  }

  /** Whether the answer is the expected one; undefined while more of it may change that. */
  add(chunk: Buffer): boolean | undefined {
    const part = chunk.subarray(0, MOST_OF_AN_ANSWER - this.#bytes)
    this.#bytes += part.length
    const before = this.#text.length
    this.#text += this.#decoder.write(part)
    if (this.#holds(before)) return this.#match.not !== true
    return this.#bytes === MOST_OF_AN_ANSWER ? this.end() : undefined
  }

  /** Whether the answer, which is whole now and did not decide it before, is the expected one. */
  end(): boolean {
    return this.#match.not === true
  }

  #holds(before: number): boolean {
    if (this.#pattern !== undefined) return this.#pattern.test(this.#text)
    return this.#text.includes(this.#match.value, Math.max(0, before - this.#match.value.length))
  }
}

/** What a wrong answer has or lacks: `without "ok"`. */
export function describeMismatch({ by, value, not }: TextMatch): string {
  const sought = by === 'pattern' ? `what matches /${value}/` : JSON.stringify(value)
  return `${not === true ? 'with' : 'without'} ${sought}`
}
