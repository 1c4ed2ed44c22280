/** Runs lines of the documentation on their stage, and looks at how they end and what they print. */

import type { RunResult } from '../../lab/lab.ts'
import { elsewhere } from '../../support/doc-elsewhere.ts'
import { blocksOf, type Example, examplesOf, PAGES, placeOf, withoutComment } from '../../support/doc-examples.ts'
import { stale } from '../../support/doc-shape.ts'
import type { DocStage, Where } from './doc-stage.ts'

/** Milliseconds in which a line may become what its page shows. */
const PATIENCE = 60_000

/** How a line ends that does not end with 0 and without a picture of its output. */
export interface End {
  /** From the page of the command, or the reason beside it. */
  readonly code?: number
  /** The output that a page shows: each line of it must be in the real one, up to addresses, numbers and times. The line is run until it is. */
  readonly like?: string
  readonly shows?: RegExp
  /** It goes on until it is ended, which is done once it has printed this. */
  readonly until?: string
  /** It is left running for the lines behind it, and ended by `stage.end()`. */
  readonly stays?: true
}

/** What stands for the words in capitals. */
const FILLED: Readonly<Record<string, string>> = {
  SERVICE: 'web',
  BACKEND: '10.0.1.1:80',
  INTERFACE: 'eth0',
  VIP: '10.0.0.2',
  NAME: 'web.example',
}

export interface Run {
  readonly where?: Where
  /** For words in capitals, beside or in place of the usual ones. */
  readonly fill?: Readonly<Record<string, string>>
  /** Of the page only the block that begins so. */
  readonly begins?: string
}

/** Lines of a page that are run here. */
function linesOf(page: string, begins: string): Example[] {
  const blocks = blocksOf(page).filter(({ info, text }) => info === 'sh' && text.startsWith(begins))
  const within = ({ line }: Example) =>
    blocks.some(({ line: first, text }) => line >= first && line < first + text.split('\n').length - 1)
  return examplesOf(page).filter((example) => within(example) && elsewhere(example) === undefined)
}

const filled = (command: string, more: Readonly<Record<string, string>>) =>
  Object.entries({ ...FILLED, ...more }).reduce(
    (text, [word, value]) => text.replaceAll(new RegExp(`\\b${word}\\b`, 'g'), value),
    command,
  )

/** Each of the words that a `grep -E` at the end of a line looks for. */
function sought(command: string): string[] {
  const pattern = /\| grep (?:-E )?'?([^']+?)'?$/.exec(command)?.[1] ?? ''
  const [, head, group = '', tail] = /^(\w+_)\(([^)]*)\)(.*)$/.exec(pattern) ?? []
  if (head === undefined) return pattern.split('|')
  return [...group.split('|').map((word) => head + word), ...(tail ?? '').split('|').filter((word) => word !== '')]
}

function faultsOf({ code, signal, stdout, stderr }: RunResult, command: string, end: End): string[] {
  const printed = stdout + stderr
  const faults: string[] = []
  const due = end.code ?? 0
  if (code !== due) faults.push(`ended with ${signal ?? code} in place of ${due}`)
  if (/command not found|: not found|No such file/.test(stderr)) faults.push('something is not there')
  if (due === 0 && stdout.includes('-- No entries --')) faults.push('the log has nothing of it')
  if (end.shows !== undefined && !end.shows.test(printed)) faults.push(`shows nothing like ${end.shows}`)
  if (end.like !== undefined) faults.push(...stale(end.like, printed).map((line) => `does not show: ${line}`))
  if (due === 0 && command.includes('| grep'))
    faults.push(
      ...sought(command)
        .filter((word) => !new RegExp(word).test(stdout))
        .map((word) => `finds no ${word}`),
    )
  return faults.length === 0 ? [] : [...faults, `it said: ${printed.slice(-1500)}`]
}

async function faultsOfExample(stage: DocStage, command: string, end: End, where: Where): Promise<string[]> {
  if (end.until !== undefined) {
    const said = await stage.begin(command, end.until)
    if (!new RegExp(end.until, 'm').test(said)) return [`shows nothing like ${end.until}: ${said.slice(-1500)}`]
    if (end.stays === true) return []
    const last = await stage.end()
    // Our program ends well when it is asked to.
    return !command.startsWith('pointsman ') || last.includes('COMMAND_EXIT_CODE="0"')
      ? []
      : [`ended badly: ${last.slice(-1500)}`]
  }
  const patience = end.like === undefined && end.shows === undefined ? 0 : PATIENCE
  const begun = performance.now()
  for (;;) {
    const faults = faultsOf(await stage.run(command, where), withoutComment(command), end)
    if (faults.length === 0 || performance.now() - begun > patience) return faults
  }
}

/** Runs the lines of pages, and knows which it has run. */
export class DocRun {
  readonly stage: DocStage
  readonly #told = new Set<string>()

  constructor(stage: DocStage) {
    this.stage = stage
  }

  /** Runs every line of the pages, once where several have it; what is not as it should be. `ends` are of lines without their comments. */
  async run(pages: readonly string[], ends: Readonly<Record<string, End>> = {}, options: Run = {}): Promise<string[]> {
    const { where = 'director', fill = {}, begins = '' } = options
    const faults: string[] = []
    const had = new Set<string>()
    for (const example of pages.flatMap((page) => linesOf(page, begins))) {
      this.#told.add(placeOf(example))
      const line = withoutComment(example.command)
      if (had.has(line)) continue
      had.add(line)
      const found = await faultsOfExample(this.stage, filled(example.command, fill), ends[line] ?? {}, where)
      faults.push(...found.map((fault) => `${placeOf(example)}: ${line}: ${fault}`))
    }
    const strange = Object.keys(ends).filter((line) => !had.has(line))
    return [...faults, ...strange.map((line) => `no page has the line ${line}`), ...(had.size === 0 ? ['no line was run'] : [])]
  }

  page(page: string, ends?: Readonly<Record<string, End>>, options?: Run): Promise<string[]> {
    return this.run([page], ends, options)
  }

  /** Lines that are neither run nor in the table of those that are run elsewhere. */
  left(): string[] {
    const left = PAGES.flatMap(examplesOf).filter(
      (example) => elsewhere(example) === undefined && !this.#told.has(placeOf(example)),
    )
    return left.map((example) => `${placeOf(example)}: ${example.command}`)
  }
}
