import { currentBuild } from '../../../../src/build.ts'
import { replayJson } from '../../../../src/cli/replay-text.ts'
import { replay } from '../../../../src/daemon/replay/replay.ts'
import type { DesiredUpdate, WantedServices } from '../../../../src/pipeline/desired-update.ts'
import { JournalLines } from '../../../../src/store/journal-lines.ts'
import type { JournalTurn } from '../../../../src/store/journal-turn.ts'

const { version, commit } = currentBuild()
export const BUILD = { version, commit }

/** A journal of one part. */
export function written(turns: readonly JournalTurn[], began = 0): string {
  const lines = new JournalLines()
  const header = { build: BUILD, run: 'r', part: 1, lost: 0, at: began }
  return [...lines.begin(header), ...turns.flatMap((turn) => [...lines.lineOf(turn)])].join('')
}

export interface Line {
  readonly kind: string
  readonly at?: string
  readonly vip: string
  readonly backend: string
  readonly to: number | null
  readonly text?: string
}

/** What `replay --json` prints. */
export async function replayed(path: string, other?: WantedServices): Promise<string> {
  const lines: string[] = []
  for await (const line of replay(path, { build: BUILD, ...(other !== undefined && { other }) }))
    lines.push(JSON.stringify(replayJson(line)))
  return lines.join('\n')
}

export function linesIn(printed: string): Line[] {
  return printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

/** The weights that a replay ends with. */
export function weightsOf(printed: string): Record<string, number> {
  const weights: Record<string, number> = {}
  for (const { kind, vip, backend, to } of linesIn(printed)) {
    if (kind !== 'weight') continue
    if (to === null) delete weights[`${vip} ${backend}`]
    else weights[`${vip} ${backend}`] = to
  }
  return weights
}

/** The weights of a desired state. */
export function weightsIn(update: DesiredUpdate | undefined): Record<string, number> {
  const services = [...(update?.desired.services ?? [])]
  return Object.fromEntries(
    services.flatMap(([vip, { destinations, weightScale = 1 }]) =>
      [...destinations].map(([backend, { weight }]) => [`${vip} ${backend}`, weight / weightScale] as const),
    ),
  )
}
