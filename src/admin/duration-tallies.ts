import { familyHeader, labelText } from './exposition.ts'

export interface DurationTalliesOptions {
  readonly name: string
  readonly help: string
  /** What tells its series apart; absent: there is one. */
  readonly label?: string | undefined
  /** Upper bounds in seconds, rising. */
  readonly bounds: readonly number[]
}

interface Tally {
  /** How many lie at or under each bound and above the one before, and those above all. */
  readonly counts: Float64Array
  sum: number
}

/**
 * A histogram of what happens thousands of times a second: nothing but counting is done then, and labels and text are made when somebody asks.
 * That of prom-client makes a key of the labels and several objects for each value.
 */
export class DurationTallies {
  readonly #options: DurationTalliesOptions
  /** By the values of the label. */
  readonly #tallies = new Map<string, Tally>()

  constructor(options: DurationTalliesOptions) {
    this.#options = options
    if (options.label === undefined) this.#begin('')
  }

  /** `of`: the value of the label, where there is one. */
  observe(seconds: number, of = ''): void {
    const { bounds } = this.#options
    const tally = this.#tallies.get(of) ?? this.#begin(of)
    let place = 0
    while (place < bounds.length && seconds > (bounds[place] as number)) place++
    tally.counts[place] = (tally.counts[place] as number) + 1
    tally.sum += seconds
  }

  /** The whole family in the text format of Prometheus. */
  text(): string {
    const { name, help, label } = this.#options
    let text = familyHeader({ name, help, type: 'histogram' })
    for (const [of, tally] of this.#tallies)
      text += this.#seriesText(tally, label === undefined ? '' : labelText({ [label]: of }))
    return text
  }

  #seriesText({ counts, sum }: Tally, labels: string): string {
    const { name, bounds } = this.#options
    const beside = labels === '' ? '' : `,${labels}`
    const alone = labels === '' ? '' : `{${labels}}`
    let text = ''
    let upTo = 0
    for (const [place, count] of counts.entries()) {
      upTo += count
      text += `${name}_bucket{le="${bounds[place] ?? '+Inf'}"${beside}} ${upTo}\n`
    }
    return `${text}${name}_sum${alone} ${sum}\n${name}_count${alone} ${upTo}\n`
  }

  #begin(of: string): Tally {
    const tally = { counts: new Float64Array(this.#options.bounds.length + 1), sum: 0 }
    this.#tallies.set(of, tally)
    return tally
  }
}
