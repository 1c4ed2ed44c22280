import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ProbeTls } from '../model/probe-spec.ts'
import { beforeEnd } from './before-end.ts'
import type { EndSignal } from './probe.ts'

/** What is needed to speak TLS, or what is wrong with the files it comes from. */
export type TlsMaterial = { readonly context: SecureContext } | { readonly problem: string }

interface Kept {
  /** Milliseconds of the monotonic clock. */
  readonly lookedAt: number
  readonly reading: Promise<Reading>
  /** It has not ended: files of a disk that hangs are read once, or they would keep every thread that reads files. */
  isUnderWay: boolean
}

interface Reading {
  /** Tells whether a file is another one than before. */
  readonly stamp: string
  readonly material: TlsMaterial
}

/** Milliseconds for which files are not looked at again: thousands of probes may share them. */
const FRESH = 1_000

/** The probes of a service's backends have one object in common, and forget it together. */
const kept = new WeakMap<ProbeTls, Kept>()

/** The certificates and the key of a probe. Files that have changed are read again. */
export async function tlsMaterial(tls: ProbeTls, signal: EndSignal): Promise<TlsMaterial> {
  const reading = await beforeEnd(latest(tls), signal)
  if (reading !== undefined) return reading.material
  return { problem: `${filesOf(tls).join(' and ')} could not be read in time` }
}

function latest(tls: ProbeTls): Promise<Reading> {
  const before = kept.get(tls)
  if (before !== undefined && (before.isUnderWay || performance.now() - before.lookedAt < FRESH)) return before.reading
  const reading = look(tls, before?.reading)
  const now: Kept = { lookedAt: performance.now(), reading, isUnderWay: true }
  kept.set(tls, now)
  return reading.finally(() => {
    now.isUnderWay = false
  })
}

function filesOf({ caFile, certFile, keyFile }: ProbeTls): string[] {
  return [caFile, certFile, keyFile].filter((file) => file !== undefined)
}

async function look(tls: ProbeTls, before: Promise<Reading> | undefined): Promise<Reading> {
  const stamp = (await Promise.all(filesOf(tls).map(stampOf))).join(' ')
  const last = await before
  if (last?.stamp === stamp && 'context' in last.material) return last
  return { stamp, material: await read(tls) }
}

async function stampOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file)
    return [dev, ino, size, mtimeMs, ctimeMs].join('/')
  } catch {
    return 'unreadable'
  }
}

async function read({ caFile, certFile, keyFile }: ProbeTls): Promise<TlsMaterial> {
  const options: SecureContextOptions = {}
  for (const [name, file] of [['ca', caFile] as const, ['cert', certFile] as const, ['key', keyFile] as const]) {
    if (file === undefined) continue
    try {
      options[name] = await readFile(file)
      if (name !== 'key') new X509Certificate(options[name])
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      return {
        problem:
          code.startsWith('E') && !code.startsWith('ERR_') ? `${file} cannot be read (${code})` : `${file} holds no certificate`,
      }
    }
  }
  try {
    return { context: createSecureContext(options) }
  } catch {
    return { problem: `${keyFile} is no key of the certificate in ${certFile}` }
  }
}
