import { ownEntry } from '../../document/own-entry.ts'
import { nearest } from '../../document/suggest.ts'
import { hostAddress, type Interfaces } from './host-address.ts'
import { asWritten } from './template.ts'

/** A document whose entries are parameters. */
export interface ParameterDocument {
  readonly kind: 'file' | 'url'
  readonly value: unknown
}

/** Where parameters come from. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly interfaces: Interfaces
  /** Files in their order, then urls in theirs; `unread` while only the environment and the interfaces are known. */
  readonly documents: readonly ParameterDocument[] | 'unread'
}

export type Found =
  /** `outside`: it came from the environment or from a document, so that it may be a secret. */
  | { readonly kind: 'value'; readonly text: string; readonly outside: boolean }
  /** Nothing is there: a default counts. Neither sentence holds the name or a value, for both may be secrets. */
  | ({ readonly kind: 'none' } & Lacking)
  /** Something is there that cannot stand in a text, or nothing ever could be: a default does not count. */
  | ({ readonly kind: 'unfit' } & Lacking)

interface Lacking {
  readonly problem: string
  readonly remedy: string
  /** A moment later it may be there. */
  readonly transient?: true
}

/** Whether no entries of documents can be meant: then what has no dot is a parameter of a shell. */
export function namesNoDocuments({ documents }: Surroundings): boolean {
  return documents !== 'unread' && documents.length === 0
}

/**
 * What a name stands for. The first that knows it counts, as with ipvsctl: the interfaces (`host.`) and the environment (`env.`),
 * then the documents in their order, files before urls. `file.` and `url.` in front of a name look into documents of that kind only.
 */
export function lookUp(name: string, { environment, interfaces, documents }: Surroundings): Found {
  const variable = behind('env.', name)
  const fromEnvironment = variable === undefined ? undefined : ownEntry(environment, variable)
  if (fromEnvironment !== undefined && fromEnvironment !== '') return { kind: 'value', text: fromEnvironment, outside: true }
  const place = behind('host.', name)
  const address = place === undefined ? undefined : hostAddress(place, interfaces)
  if (address !== undefined) return { kind: 'value', text: address, outside: false }
  const isOwnKind = variable !== undefined || place !== undefined
  if (documents === 'unread') return isOwnKind ? missing(name, environment, []) : TOO_EARLY
  return inDocuments(name, documents) ?? missing(name, environment, documents)
}

const TOO_EARLY: Found = {
  kind: 'unfit',
  problem: 'cannot stand where files and documents are named',
  remedy: `write ${asWritten('env.NAME')} or ${asWritten('host.INTERFACE')} here`,
}

function inDocuments(name: string, documents: readonly ParameterDocument[]): Found | undefined {
  for (const { value } of documents) {
    const found = entryAt(value, name)
    if (found !== undefined) return asText(found)
  }
  for (const kind of ['file', 'url'] as const) {
    const rest = behind(`${kind}.`, name)
    if (rest === undefined) continue
    for (const document of documents) {
      const found = document.kind === kind ? entryAt(document.value, rest) : undefined
      if (found !== undefined) return asText(found)
    }
  }
  return undefined
}

/** The entry behind a dotted path, `ports.web` or `ports[0].web`; a key may hold dots itself. Empty entries are none. */
function entryAt(value: unknown, path: string): unknown {
  return descend(value, path.replaceAll(/\[(\d+)\]/g, '.$1').split('.'))
}

function descend(value: unknown, steps: readonly string[]): unknown {
  if (steps.length === 0) return value ?? undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (let length = 1; length <= steps.length; length++) {
    const key = steps.slice(0, length).join('.')
    if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(key)) continue
    if (!Object.hasOwn(value, key)) continue
    const found = descend((value as Readonly<Record<string, unknown>>)[key], steps.slice(length))
    if (found !== undefined) return found
  }
  return undefined
}

function asText(value: unknown): Found {
  if (typeof value !== 'object') return { kind: 'value', text: String(value), outside: true }
  const what = Array.isArray(value) ? 'a list' : 'a mapping'
  return {
    kind: 'unfit',
    problem: `stands for ${what}, which cannot stand in a text`,
    remedy: `name one of its entries, such as ${asWritten('ports.web')} or ${asWritten('addresses[0]')}`,
  }
}

function missing(name: string, environment: Surroundings['environment'], documents: readonly ParameterDocument[]): Found {
  if (name.startsWith('env.')) {
    const problem = ownEntry(environment, name.slice(4)) === '' ? 'is an empty variable' : 'is not in the environment'
    return none(problem, 'set the variable for Pointsman, or write a default behind :- within the braces')
  }
  if (name.startsWith('host.'))
    return {
      // An interface that comes up late has its address soon.
      transient: true,
      ...none(
        'is no address of this host',
        `name an interface that is up and has that many addresses, such as ${asWritten('host.eth0')}, or write a default behind :-`,
      ),
    }
  if (ownEntry(environment, name) !== undefined)
    return none('is no parameter', `write env. in front of the name of a variable; ${ESCAPE}`)
  const meant = meantBy(name)
  if (documents.length === 0) {
    const words = `write ${asWritten('env.NAME')}, ${asWritten('host.INTERFACE')}, or name documents under parameters`
    if (meant === undefined) return none('is no parameter', `${words}; ${ESCAPE}`)
    // A default would hide the slip for ever.
    return { ...none('is no parameter', `did you mean ${meant}? ${ESCAPE}`), kind: 'unfit' }
  }
  const cure =
    meant === undefined ? 'correct the name, or write a default behind :- within the braces;' : `did you mean ${meant}?`
  return none('is in no document under parameters', `${cure} ${ESCAPE}`)
}

/** For those who mean a shell, or a text of their own. */
const ESCAPE = '$${ stands for ${ itself, where a shell or another program is meant'

const NAMESPACES = ['env', 'host', 'file', 'url']

/** The parameter that a slip such as `evn.PORT` stands for. The name itself is not shown: it may be made of a secret. */
function meantBy(name: string): string | undefined {
  const first = name.split('.', 1)[0] ?? ''
  const namespace = first === name || NAMESPACES.includes(first) ? undefined : nearest(first, NAMESPACES)
  return namespace === undefined ? undefined : asWritten(`${namespace}.NAME`)
}

function none(problem: string, remedy: string): Found & { kind: 'none' } {
  return { kind: 'none', problem, remedy }
}

function behind(prefix: string, name: string): string | undefined {
  return name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : undefined
}
