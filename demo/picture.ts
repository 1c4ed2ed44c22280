/** What the picture shows at one moment. */
export interface View {
  readonly scene: string
  readonly number: number
  readonly of: number
  /** Answers by server in the last moment, every server of the demo listed. */
  readonly answers: Readonly<Record<string, number>>
  readonly requests: number
  readonly failures: number
}

const BAR = 40
const COLOURS = ['\u001b[36m', '\u001b[35m', '\u001b[33m', '\u001b[34m']
const BOLD = '\u001b[1m'
const GREEN = '\u001b[32m'
const RED = '\u001b[31m'
const PLAIN = '\u001b[0m'

/** The picture as lines. Without colour for files and pipes. */
export function picture(view: View, colour: boolean): string[] {
  const paint = (code: string, text: string) => (colour ? `${code}${text}${PLAIN}` : text)
  const total = Object.values(view.answers).reduce((sum, count) => sum + count, 0)
  const bars = Object.entries(view.answers).map(([server, count], index) => {
    const share = total === 0 ? 0 : count / total
    const length = Math.round(share * BAR)
    const bar = `${'█'.repeat(length)}${'·'.repeat(BAR - length)}`
    return `  ${server.padEnd(5)} ${paint(COLOURS[index % COLOURS.length] ?? '', bar)} ${`${Math.round(share * 100)}%`.padStart(4)}`
  })
  const failures = paint(view.failures === 0 ? GREEN : RED, `${view.failures} failed`)
  return [paint(BOLD, `[${view.number}/${view.of}] ${view.scene}`), ...bars, `  ${view.requests} requests, ${failures}`]
}

/** Draws over what was drawn before on a terminal; a pipe gets each picture below the last one. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  #drawn = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  draw(lines: readonly string[]): void {
    if (this.#out.isTTY && this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[J`)
    this.#out.write(`${lines.join('\n')}\n`)
    this.#drawn = lines.length
  }

  /** What is drawn stays; the next picture begins below it. */
  keep(): void {
    this.#drawn = 0
  }
}
