import { type Loaded, loadFrom } from '../../../src/config/load-from.ts'
import type { Interfaces } from '../../../src/config/parameters/host-address.ts'
import type { Reach } from '../../../src/config/reach.ts'
import { formatIssue } from '../../../src/document/issue.ts'

export interface FakeMachine {
  /** Text by path. */
  readonly files?: Readonly<Record<string, string>>
  /** Text by address; others do not answer. */
  readonly urls?: Readonly<Record<string, string>>
  readonly interfaces?: Interfaces
  /** What is said of directories that are there and cannot be read. */
  readonly unreadable?: Readonly<Record<string, string>>
  readonly environment?: Readonly<Record<string, string>>
}

/** A machine that is no more than what is written here, and a note of what it was asked for. */
export function fakeReach({
  files = {},
  urls = {},
  interfaces = {},
  unreadable = {},
}: FakeMachine): Reach & { readonly asked: string[] } {
  const asked: string[] = []
  const answer = (text: string | undefined, problem: string) =>
    text === undefined
      ? ({ ok: false, problem, remedy: 'look for it' } as const)
      : ({ ok: true, bytes: Buffer.from(text) } as const)
  return {
    asked,
    read: async (path) => {
      asked.push(path)
      return answer(files[path], 'there is no such file')
    },
    list: async (directory) => {
      const names = Object.keys(files).flatMap((path) => {
        const inside = directory === '.' ? path : path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : ''
        return inside === '' ? [] : [inside.split('/')[0] as string]
      })
      const problem = unreadable[directory]
      if (problem !== undefined) return { ok: false, problem, remedy: 'look at it', isNone: false, transient: true }
      if (names.length === 0) return { ok: false, problem: 'there is no such directory', remedy: 'create it', isNone: true }
      return { ok: true, names: [...new Set(names)].toReversed() }
    },
    fetch: async (url) => {
      asked.push(url)
      const answered = answer(urls[url], 'the web server cannot be reached (ECONNREFUSED)')
      return answered.ok ? answered : { ...answered, transient: true }
    },
    interfaces: () => interfaces,
  }
}

/** Loads a configuration that may name others; `text` is the file `c.yaml` unless said otherwise. */
export function loadOn(machine: FakeMachine, text: string, path = 'c.yaml'): Promise<Loaded> {
  const overrides = { environment: machine.environment ?? {} }
  return loadFrom({ path, bytes: Buffer.from(text) }, overrides, fakeReach(machine))
}

/** What is wrong, in the words that users read. */
export async function complaintsOn(machine: FakeMachine, text: string, path = 'c.yaml'): Promise<string[]> {
  const { result } = await loadOn(machine, text, path)
  return result.ok ? [] : result.issues.map(formatIssue)
}

/** Fails the test where there is no configuration. */
export async function loadedOn(machine: FakeMachine, text: string, path = 'c.yaml') {
  const { result } = await loadOn(machine, text, path)
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
  return result.configuration
}
