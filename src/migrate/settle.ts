import { type Issue, issuesError } from '../document/issue.ts'
import { type Imported, type ImportedService, inOrder, type LeftOut, type Place, type Written } from './imported.ts'
import { withoutSecrets } from './secrets.ts'

/** What the real validation says against a configuration; nothing where it may run. */
export type Judge = (configuration: Written) => Promise<readonly Issue[]>

/** Without them a service is none. */
const IDENTITY = ['name', 'listen', 'fwmark', 'family', 'protocol', 'backends']

/** The configuration that an import stands for, as plain values. */
function configurationOf({ global, defaults, parameters, services }: Imported): Written {
  return {
    ...(parameters !== undefined && { parameters }),
    ...(Object.keys(global).length > 0 && { global }),
    ...(Object.keys(defaults).length > 0 && { defaults }),
    services: services.map(({ written, backends }) => ({ ...written, backends: backends.map((backend) => backend.written) })),
  }
}

/**
 * Takes out what the validation refuses, the smallest piece at a time, until nothing is refused, and lists each piece with the
 * words of the validation: other tools and the kernel take things in silence that a configuration may not say. What comes
 * back always loads. Rejects with CONFIG_INVALID, or
 * CONFIG_UNREADABLE, where what is refused came from the command line: documents of parameters.
 */
export async function settle(imported: Imported, judge: Judge): Promise<Imported> {
  let settled = imported
  for (;;) {
    const issues = await judge(configurationOf(settled))
    if (issues.length === 0) return { ...settled, leftOut: inOrder(settled.leftOut) }
    settled = without(settled, issues)
  }
}

interface Removal {
  readonly leftOut: LeftOut[]
  readonly global: Set<string>
  readonly defaults: Set<string>
  readonly services: Set<number>
  readonly keys: Map<number, Set<string>>
  readonly backends: Map<number, Set<number>>
}

function without(imported: Imported, issues: readonly Issue[]): Imported {
  const removal: Removal = {
    leftOut: [],
    global: new Set(),
    defaults: new Set(),
    services: new Set(),
    keys: new Map(),
    backends: new Map(),
  }
  for (const issue of issues) remove(imported, issue, removal)
  const services = imported.services.flatMap((service, index): ImportedService[] => {
    if (removal.services.has(index)) return []
    const gone = removal.backends.get(index)
    const backends = gone === undefined ? service.backends : service.backends.filter((_, at) => !gone.has(at))
    return [{ ...service, written: withoutKeys(service.written, removal.keys.get(index)), backends }]
  })
  return {
    ...imported,
    global: withoutPaths(imported.global, removal.global),
    defaults: withoutKeys(imported.defaults, removal.defaults),
    services,
    leftOut: [...imported.leftOut, ...removal.leftOut],
  }
}

function remove(imported: Imported, issue: Issue, removal: Removal): void {
  const { path } = issue
  const [, index, backend, key] = /^services\[(\d+)\](?:\.backends\[(\d+)\]|\.([a-z_]+))?/.exec(path) ?? []
  const service = index === undefined ? undefined : imported.services[Number(index)]
  if (service !== undefined) removeOfService(service, Number(index), { backend, key }, issue, removal)
  else if (/^(global|defaults)\./.test(path)) {
    const keys = path.startsWith('global.') ? removal.global : removal.defaults
    if (!keys.has(topOf(path))) removal.leftOut.push(told(placeOf(imported, path), topOf(path), issue))
    keys.add(topOf(path))
  } else throw ofCommandLine(issue)
}

/** Without the place in a configuration that nobody has seen. */
function ofCommandLine({ path, problem, remedy, transient }: Issue): Error {
  const file = path.startsWith('parameters.urls') ? '--params-url' : path.startsWith('parameters.files') ? '--params-file' : '-'
  const issue: Issue = { file, path: file === '-' ? path : '', problem, remedy }
  return issuesError(transient === true ? 'CONFIG_UNREADABLE' : 'CONFIG_INVALID', [issue])
}

function removeOfService(
  service: ImportedService,
  index: number,
  { backend, key }: { readonly backend: string | undefined; readonly key: string | undefined },
  issue: Issue,
  removal: Removal,
): void {
  const at = backend === undefined ? undefined : service.backends[Number(backend)]
  const name = String(service.written['name'] ?? service.written['listen'] ?? 'without a name')
  if (at !== undefined) {
    if (added(removal.backends, index, Number(backend)))
      removal.leftOut.push(told(at.place, `backend ${String(at.written['address'] ?? 'without an address')} of ${name}`, issue))
  } else if (key !== undefined && !IDENTITY.includes(key) && key in service.written) {
    if (added(removal.keys, index, key)) removal.leftOut.push(told(service.place, `${key} of ${name}`, issue))
  } else if (!removal.services.has(index)) {
    removal.services.add(index)
    removal.leftOut.push(told(service.place, `service ${name}`, issue))
  }
}

/** Whether it was not there before. */
function added<T>(sets: Map<number, Set<T>>, index: number, item: T): boolean {
  const set = sets.get(index) ?? new Set()
  sets.set(index, set)
  return set.size < set.add(item).size
}

function placeOf({ services, places }: Imported, path: string): Place {
  const written = [...(places ?? [])].find(([at]) => path === at || path.startsWith(`${at}.`) || path.startsWith(`${at}[`))
  return written?.[1] ?? { file: services[0]?.place.file ?? '-' }
}

function told(place: Place, directive: string, { problem, remedy }: Issue): LeftOut {
  return {
    ...place,
    directive: withoutSecrets(directive),
    reason: withoutLines(problem),
    remedy: `${remedy} in the configuration`,
  }
}

/** What is judged is no file of anybody's: its lines would be taken for those of the file that was imported. */
function withoutLines(problem: string): string {
  return problem.replace(/\bthe service on line \d+$/, 'a service before it').replace(/, first on line \d+$/, '')
}

/** `global.ipvs.sync_daemons` of `global.ipvs.sync_daemons[0].interface`; one key of `defaults`. */
function topOf(path: string): string {
  const [top = '', key = '', inner] = path.replaceAll(/\[\d+\]/g, '').split('.')
  return top === 'global' && inner !== undefined ? `${key}.${inner}` : key
}

function withoutKeys(written: Written, keys: ReadonlySet<string> | undefined): Written {
  if (keys === undefined || keys.size === 0) return written
  const left = Object.fromEntries(Object.entries(written).filter(([key]) => !keys.has(key)))
  const unasked = ['health_check', 'health_checks'].some((key) => keys.has(key)) && written['listen'] !== undefined
  // Otherwise TCP services would be probed in another way than what was meant.
  return unasked ? { ...left, health_check: { type: 'none' } } : left
}

function withoutPaths(written: Written, paths: ReadonlySet<string>): Written {
  const left: Written = {}
  for (const [key, value] of Object.entries(written)) {
    if (paths.has(key)) continue
    const inner = [...paths].filter((path) => path.startsWith(`${key}.`)).map((path) => path.slice(key.length + 1))
    if (inner.length === 0) left[key] = value
    else {
      const rest = Object.fromEntries(Object.entries(value as Written).filter(([name]) => !inner.includes(name)))
      if (Object.keys(rest).length > 0) left[key] = rest
    }
  }
  return left
}
