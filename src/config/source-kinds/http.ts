import { resolve } from 'node:path'
import type { z } from 'zod'
import { accepted, type Grammar, type Reading, refused, showAddress } from '../../document/reading.ts'
import { either, mapping, optional, section } from '../../document/schema.ts'
import { line, secretLine } from '../../document/values/choice.ts'
import { duration } from '../../document/values/duration.ts'
import { integer } from '../../document/values/integer.ts'
import type { HttpAuthSpec, HttpSourceSpec } from '../../model/http-source-spec.ts'
import type { TlsSpec } from '../../model/tls-spec.ts'
import { shortForm } from './short-form.ts'
import { sourceKind } from './source-kind.ts'
import { filePath, tlsSchema, toTlsSpec } from './tls.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const MIB = 1024 * 1024

const EXAMPLE = 'http: { url: https://inventory.example/web.json }'
const REMEDY = 'write the address of the list, such as https://inventory.example/web.json'

const text = secretLine('the address of the list', 4000)

/** An absolute address of a list; comes out as browsers write it. */
const url: Grammar<string> = {
  jsonSchema: {
    type: 'string',
    pattern: '^http(s|\\+unix)?://[^@/?#]+([/?]|$)',
    examples: ['https://inventory.example/web.json'],
  },
  read(raw) {
    const reading = text.read(raw)
    if (!reading.ok) return reading
    const parsed = URL.parse(reading.value)
    if (parsed === null) return refused(`${showAddress(reading.value)} is not the address of a list`, REMEDY)
    if (!['http:', 'https:', 'http+unix:'].includes(parsed.protocol))
      return refused(`${parsed.protocol}// cannot be asked for a list`, 'write http:// or https://')
    if (parsed.username !== '' || parsed.password !== '')
      return refused(
        'the url holds a user name or password, which would appear in logs',
        'write basic_auth: { username: ..., password_file: ... } beside a url without them',
      )
    if (parsed.hash !== '') return refused('what stands behind # is not sent to the server', 'remove it from the url')
    if (parsed.protocol === 'http+unix:' && !/^%2F([^%]|%[0-7][0-9A-F])+$/i.test(parsed.hostname))
      return refused(
        'the url names no socket',
        'write its absolute path with %2F for each slash: http+unix://%2Frun%2Finventory.sock/web.json',
      )
    return accepted(parsed.href)
  },
}

const shortHttp = shortForm('url', url)

const basicKeys = mapping(
  {
    username: optional(line('a user name', 256), 'Name of the user; it has no colon.'),
    password_file: optional(filePath, 'File with the password; it is read again for each request.'),
  },
  'Basic authentication (RFC 7617).',
  { required: ['username', 'password_file'] },
)

const httpKeys = mapping(
  {
    url: optional(url, 'Address of the list; http, https or http+unix, without user name and password.'),
    interval: optional(duration({ min: SECOND, max: 60 * MINUTE }), 'Time between two requests; 30s by default.'),
    timeout: optional(
      duration({ min: 100, max: 10 * MINUTE }),
      'How long a request may take from the first packet to the last, redirects included; 10s by default.',
    ),
    max_size: optional(
      integer('a number of bytes', 1, 64 * MIB),
      'Largest list in bytes, as sent and as unpacked; 10485760 (10 MiB) by default.',
    ),
    tls: tlsSchema.optional(),
    basic_auth: section(basicKeys).optional(),
    bearer_token_file: optional(filePath, 'File with a bearer token; it is read again for each request.'),
  },
  'An endpoint list over HTTP.',
  { required: ['url'] },
)

type WrittenHttp = z.output<typeof httpKeys>

export const httpKind = sourceKind({
  schema: either<{ readonly url?: string | undefined }, typeof httpKeys>(
    shortHttp,
    httpKeys,
    'An endpoint list over HTTP, in the format of Prometheus HTTP SD or in our own.',
  ),
  example: EXAMPLE,
  toSpec(written: WrittenHttp, directory) {
    if (written.url === undefined) return refused('the http source has no url', `write ${EXAMPLE}`)
    const auth = toAuth(written, directory)
    if (!auth.ok) return auth
    const tls = toTls(written, directory)
    if (!tls.ok) return tls
    const spec: HttpSourceSpec = {
      kind: 'http',
      url: written.url,
      interval: written.interval ?? 30 * SECOND,
      timeout: written.timeout ?? 10 * SECOND,
      maxSize: written.max_size ?? 10 * MIB,
      ...(tls.value !== undefined && { tls: tls.value }),
      ...(auth.value !== undefined && { auth: auth.value }),
    }
    return accepted(spec)
  },
})

function toTls({ url: address, tls }: WrittenHttp, directory: string): Reading<TlsSpec | undefined> {
  if (tls === undefined) return accepted(undefined)
  if (address?.startsWith('https:')) return toTlsSpec(tls, directory)
  return refused('tls has no meaning for an http:// url', 'write https://, or remove tls')
}

function toAuth(
  { basic_auth: basic, bearer_token_file: token }: WrittenHttp,
  directory: string,
): Reading<HttpAuthSpec | undefined> {
  if (basic !== undefined && token !== undefined)
    return refused('the http source has both basic_auth and bearer_token_file', 'remove one of the two')
  if (token !== undefined) return accepted<HttpAuthSpec>({ kind: 'bearer', tokenFile: resolve(directory, token) })
  if (basic === undefined) return accepted(undefined)
  const { username, password_file: passwordFile } = basic
  if (username === undefined || passwordFile === undefined)
    return refused('basic_auth needs a user name and a password file', 'write { username: ..., password_file: ... }')
  if (username.includes(':')) return refused('a user name of basic_auth cannot hold a colon', 'write the part before it')
  return accepted<HttpAuthSpec>({ kind: 'basic', username, passwordFile: resolve(directory, passwordFile) })
}
