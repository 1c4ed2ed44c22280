import { hash } from 'node:crypto'
import { concatMap, filter, ignoreElements, map, merge, type Observable, Subject, tap } from 'rxjs'
import type { Configuration, Overrides, Settings } from '../config/configuration.ts'
import { formatIssue, type Issue } from '../document/issue.ts'
import { type FileObservation, watchFile } from '../watch/watch-file.ts'
import { loadBeside } from './load-beside.ts'

/** What became of a look at the configuration file after the start. */
export type Reload =
  | { readonly kind: 'accepted'; readonly configuration: Configuration; readonly warnings: readonly Issue[] }
  /** One sentence for each problem; the running configuration stays. */
  | { readonly kind: 'rejected'; readonly sentences: readonly string[] }
  /** Asked for by a signal, and the file says what it said before. */
  | { readonly kind: 'unchanged' }

export interface ReloadOptions {
  readonly path: string
  readonly overrides: Overrides
  /** The bytes that the running configuration was made of. */
  readonly bytes: Uint8Array
  /** Milliseconds. */
  readonly settle: number
  readonly poll: number
}

/** Reloads at every change of the file; `ask$` asks for one at once (SIGHUP), and always gets an answer. */
export function reloads(options: ReloadOptions, ask$: Observable<unknown>): Observable<Reload> {
  const { path, settle, poll } = options
  const asked = new Subject<void>()
  let askedFor = false
  const asking = ask$.pipe(
    tap(() => {
      askedFor = true
      asked.next()
    }),
    ignoreElements(),
  )
  const judge = judgement(options)
  const looking = watchFile(path, { settle, poll, reload$: asked }).pipe(
    map((observation) => {
      const wasAsked = askedFor
      askedFor = false
      return { observation, wasAsked }
    }),
    concatMap(({ observation, wasAsked }) => judge(observation, wasAsked)),
    filter((reload) => reload !== undefined),
  )
  return merge(looking, asking)
}

/** What to say of each observation, one after the other. */
function judgement({ path, overrides, bytes }: ReloadOptions) {
  let current: string | undefined = fingerprint(bytes)
  let rejection: Reload | undefined
  const rejected = (sentences: readonly string[]): Reload => {
    rejection = { kind: 'rejected', sentences }
    return rejection
  }
  return async (observation: FileObservation, wasAsked: boolean): Promise<Reload | undefined> => {
    if (observation.kind !== 'content') {
      current = undefined
      return rejected([notThere(path, observation)])
    }
    const print = fingerprint(observation.bytes)
    if (print === current) return wasAsked ? (rejection ?? { kind: 'unchanged' }) : undefined
    current = print
    const result = await loadBeside({ path, bytes: observation.bytes }, overrides)
    if (!result.ok) return rejected(result.issues.map(formatIssue))
    rejection = undefined
    return { kind: 'accepted', configuration: result.configuration, warnings: result.warnings }
  }
}

function fingerprint(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}

function notThere(path: string, observation: Exclude<FileObservation, { kind: 'content' }>): string {
  if (observation.kind === 'unreadable') return formatIssue(observation.issue)
  return `${path}: the file is gone; put it back, the configuration that was read last stays in force`
}

/** Settings that only a start can give effect to. */
const FIXED: readonly (keyof Settings)[] = [
  'logFormat',
  'admin',
  'metricsEnabled',
  'metricsPath',
  'resyncInterval',
  'stateDir',
  'kernelDeadline',
  'perBackendMetrics',
  'metricsNodeIpvs',
  'maxProbes',
  'watchSettle',
  'watchPoll',
]

/** Names of the settings, as the file has them, that differ and wait for a restart. */
export function restartNeeded(running: Settings, next: Settings): string[] {
  return FIXED.filter((name) => JSON.stringify(running[name]) !== JSON.stringify(next[name])).map(snakeCase)
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
