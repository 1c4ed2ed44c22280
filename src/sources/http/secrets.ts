import type { SecureContextOptions } from 'node:tls'
import { readDocument } from '../../document/read.ts'
import type { HttpAuthSpec, HttpSourceSpec } from '../../model/http-source-spec.ts'
import type { TlsSpec } from '../../model/tls-spec.ts'
import { type Trouble, unreadable } from './trouble.ts'

/** Bytes above which a file is no secret and no certificate. */
const LIMIT = 1024 * 1024

const READABLE = 'name a file that holds the secret, certificate or key alone, and that this user may read'

/** What a request needs that is kept in files. */
export interface Secrets {
  readonly authorization?: string
  readonly tls: SecureContextOptions & { readonly servername?: string; readonly rejectUnauthorized?: boolean }
}

/** Reads the files of a source: before each request, so that a secret that is exchanged counts from the next request on. */
export async function readSecrets({ auth, tls }: Pick<HttpSourceSpec, 'auth' | 'tls'>): Promise<Secrets | Trouble> {
  const authorization = auth === undefined ? undefined : await authorizationOf(auth)
  if (typeof authorization === 'object') return authorization
  const options = await tlsOptionsOf(tls ?? { verify: true })
  if ('problem' in options) return options
  return { ...(authorization !== undefined && { authorization }), tls: options }
}

async function authorizationOf(auth: HttpAuthSpec): Promise<string | Trouble> {
  const path = auth.kind === 'basic' ? auth.passwordFile : auth.tokenFile
  const bytes = await read(path)
  if ('problem' in bytes) return bytes
  const secret = Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '')
  if (secret === '') return unreadable(`${path} is empty`, 'write the secret into it')
  if (auth.kind === 'basic') return `Basic ${Buffer.from(`${auth.username}:${secret}`).toString('base64')}`
  if (!/^[\x21-\x7e]+$/.test(secret))
    return unreadable(`${path} holds more than a token on one line`, 'write the token alone, in printable ASCII without blanks')
  return `Bearer ${secret}`
}

async function tlsOptionsOf(spec: TlsSpec): Promise<Secrets['tls'] | Trouble> {
  const files: Record<string, Uint8Array> = {}
  for (const [option, path] of [
    ['ca', spec.caFile],
    ['cert', spec.certFile],
    ['key', spec.keyFile],
  ] as const) {
    if (path === undefined) continue
    const bytes = await read(path)
    if ('problem' in bytes) return bytes
    if (!Buffer.from(bytes).includes('-----BEGIN ')) return unreadable(`${path} holds no PEM block`, `write the ${option} in PEM`)
    files[option] = bytes
  }
  return {
    ...Object.fromEntries(Object.entries(files).map(([option, bytes]) => [option, Buffer.from(bytes)])),
    ...(spec.serverName !== undefined && { servername: spec.serverName }),
    rejectUnauthorized: spec.verify,
  }
}

async function read(path: string): Promise<Uint8Array | Trouble> {
  const result = await readDocument(path, LIMIT)
  // The remedies for documents speak of lists.
  return result.ok ? result.bytes : unreadable(`${path}: ${result.issue.problem}`, READABLE)
}
