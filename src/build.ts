import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Which build runs. */
export interface Build {
  readonly version: string
  /** Undefined where nobody can say. */
  readonly commit: string | undefined
  readonly node: string
}

declare const POINTSMAN_BUILD: { readonly version: string; readonly commit?: string } | undefined

/** A bundle carries its version and commit; a checkout reads its own. */
export function currentBuild(): Build {
  const node = process.version
  if (typeof POINTSMAN_BUILD !== 'undefined') return { version: POINTSMAN_BUILD.version, commit: POINTSMAN_BUILD.commit, node }
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return { version: manifest.version, commit: checkedOutCommit(join(root, '.git')), node }
}

/** What HEAD points at, read as git lays it down; undefined outside a plain checkout. */
export function checkedOutCommit(gitDirectory: string): string | undefined {
  const head = readText(join(gitDirectory, 'HEAD'))
  const ref = head?.match(/^ref: (\S+)/)?.[1]
  if (ref === undefined) return asCommit(head)
  return asCommit(readText(join(gitDirectory, ref))) ?? packedCommit(readText(join(gitDirectory, 'packed-refs')), ref)
}

function packedCommit(packed: string | undefined, ref: string): string | undefined {
  const line = packed?.split('\n').find((text) => text.endsWith(` ${ref}`))
  return asCommit(line?.split(' ')[0])
}

function asCommit(text: string | undefined): string | undefined {
  return text?.trim().match(/^[0-9a-f]{40,64}$/)?.[0]
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
