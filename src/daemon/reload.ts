import {
  BehaviorSubject,
  concatMap,
  debounceTime,
  filter,
  ignoreElements,
  map,
  merge,
  type Observable,
  Subject,
  switchMap,
  tap,
} from 'rxjs'
import type { Configuration, LoadResult, Overrides, Settings } from '../config/configuration.ts'
import { fingerprintOf, NOTHING_BESIDE, type WhatWasRead } from '../config/read-trace.ts'
import { formatIssue, type Issue, MAX_ISSUES_TOLD } from '../document/issue.ts'
import { type FileObservation, watchFile } from '../watch/watch-file.ts'
import { loadBeside } from './load-beside.ts'
import { watchBeside } from './watch-beside.ts'

/** What became of a look at the configuration file after the start. */
export type Reload =
  | { readonly kind: 'accepted'; readonly configuration: Configuration; readonly warnings: readonly Issue[] }
  /** One sentence for each of the first problems, and how many there are; the running configuration stays. */
  | { readonly kind: 'rejected'; readonly sentences: readonly string[]; readonly problems: number }
  /** Asked for by a signal, and the file says what it said before. */
  | { readonly kind: 'unchanged' }

export interface ReloadOptions {
  readonly path: string
  readonly overrides: Overrides
  /** The bytes that the running configuration was made of. */
  readonly bytes: Uint8Array
  /** And what beside its own file; nothing where this is left out. */
  readonly read?: WhatWasRead | undefined
  /** Milliseconds. */
  readonly settle: number
  readonly poll: number
  readonly load?: typeof loadBeside
}

/** What there is to look at: a word of the configuration file, or that something beside it may say something else. */
type Occasion = { readonly observation: FileObservation; readonly wasAsked: boolean } | 'beside'

/**
 * Reloads at every change of the file and of what it is made of; `ask$` asks for a reload at once (SIGHUP), and always gets an
 * answer.
 */
export function reloads(options: ReloadOptions, ask$: Observable<unknown>): Observable<Reload> {
  const { path, settle, poll, read = NOTHING_BESIDE } = options
  const asked = new Subject<void>()
  const followed: Followed = { read$: new BehaviorSubject(read), byThen$: new BehaviorSubject(NOTHING_BESIDE) }
  let askedFor = false
  const asking = ask$.pipe(
    tap(() => {
      askedFor = true
      asked.next()
    }),
    ignoreElements(),
  )
  const judge = judgement(options, followed)
  const looking = watchFile(path, { settle, poll, reload$: asked }).pipe(
    map((observation): Occasion => {
      const wasAsked = askedFor
      askedFor = false
      return { observation, wasAsked }
    }),
  )
  const beside = merge(...[followed.read$, followed.byThen$].map(switchMap((each) => watchBeside(each, { settle, poll })))).pipe(
    debounceTime(settle),
    map((): Occasion => 'beside'),
  )
  const judging = merge(looking, beside).pipe(
    concatMap(judge),
    filter((reload) => reload !== undefined),
  )
  return merge(judging, asking)
}

interface Followed {
  readonly read$: BehaviorSubject<WhatWasRead>
  /** What a loading that failed had read by then: the cause may be among it, and not among what was read before. */
  readonly byThen$: BehaviorSubject<WhatWasRead>
}

/** What to say of each occasion, one after the other. */
function judgement({ path, overrides, bytes, load = loadBeside }: ReloadOptions, { read$, byThen$ }: Followed) {
  let last = bytes
  let current: string | undefined = fingerprintOf(bytes)
  let running = wholeOf(current, read$.value)
  let rejection: Reload | undefined
  const rejected = (faults: Faults): Reload => {
    rejection = rejectionOf(faults)
    return rejection
  }
  const look = async (wasAsked: boolean): Promise<Reload | undefined> => {
    const loaded = await load({ path, bytes: last }, overrides)
    if ('readByThen' in loaded) {
      byThen$.next(loaded.readByThen)
      return rejected(loaded.result)
    }
    const { result, read } = loaded
    byThen$.next(NOTHING_BESIDE)
    read$.next(read)
    if (!result.ok) return rejected(result)
    const whole = wholeOf(fingerprintOf(last), read)
    if (whole === running && rejection === undefined) return wasAsked ? { kind: 'unchanged' } : undefined
    rejection = undefined
    running = whole
    return { kind: 'accepted', configuration: result.configuration, warnings: result.warnings }
  }
  return async (occasion: Occasion): Promise<Reload | undefined> => {
    // While the file itself is gone, what it names says nothing.
    if (occasion === 'beside') return current === undefined ? undefined : look(false)
    const { observation, wasAsked } = occasion
    if (observation.kind !== 'content') {
      current = undefined
      return rejected({ issues: [notThere(path, observation)] })
    }
    const print = fingerprintOf(observation.bytes)
    // Web servers and interfaces tell nothing of their changes, nor does a machine that was short of memory: whoever asks has
    // them asked.
    const mayDiffer = print !== current || (wasAsked && (rejection !== undefined || read$.value.fingerprint !== ''))
    if (!mayDiffer) return wasAsked ? { kind: 'unchanged' } : undefined
    current = print
    last = observation.bytes
    return look(wasAsked)
  }
}

function wholeOf(print: string, { fingerprint }: WhatWasRead): string {
  return `${print} ${fingerprint}`
}

type Faults = Pick<LoadResult & { readonly ok: false }, 'issues' | 'omitted'>

function rejectionOf({ issues, omitted = 0 }: Faults): Reload {
  const sentences = issues.slice(0, MAX_ISSUES_TOLD).map(formatIssue)
  return { kind: 'rejected', sentences, problems: issues.length + omitted }
}

function notThere(path: string, observation: Exclude<FileObservation, { kind: 'content' }>): Issue {
  if (observation.kind === 'unreadable') return observation.issue
  const remedy = 'put it back, the configuration that was read last stays in force'
  return { file: path, path: '', problem: 'the file is gone', remedy }
}

/** Settings that only a start can give effect to. */
const FIXED: readonly (keyof Settings)[] = [
  'logFormat',
  'logFile',
  'logMaxSize',
  'logKeep',
  'trafficLogFile',
  'admin',
  'metricsEnabled',
  'metricsPath',
  'statusPage',
  'adminAllowedHosts',
  'resyncInterval',
  'stateDir',
  'kernelDeadline',
  'perBackendMetrics',
  'metricsNodeIpvs',
  'maxProbes',
  'watchSettle',
  'watchPoll',
  'instance',
]

/** Names of the settings, as the file has them, that differ and wait for a restart. */
export function restartNeeded(running: Settings, next: Settings): string[] {
  return FIXED.filter((name) => JSON.stringify(running[name]) !== JSON.stringify(next[name])).map(snakeCase)
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
