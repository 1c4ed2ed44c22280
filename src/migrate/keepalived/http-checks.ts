import { type LeftOut, present, type Written } from '../imported.ts'
import { type Counterparts, leftOut, unknown } from './notes.ts'
import { type Check, checkOf, readOptions, type Surroundings, tellOthers } from './options.ts'
import { type Usual, writeTiming } from './timing.ts'
import type { Directive } from './tree.ts'

const HTTP: Usual = { retry: 1, delayBeforeRetry: 3_000 }

const KNOWN: Counterparts = {
  fast_recovery: ['pages are asked for at the same time anyway', 'do nothing'],
  enable_sni: [
    'the name of virtualhost is sent anyway, and without one there is none to send',
    'write tls: { server_name: ... }',
  ],
}

const BODY = 'write body: with a text or a pattern that the page must contain'

const OF_URL: Counterparts = {
  digest: ['a page is not compared by its MD5 sum, which any change of it breaks', BODY],
  regex_options: ['options of PCRE are not known to JavaScript', 'write them into the pattern, such as [Aa] for caseless'],
  regex_stack: ['it concerns PCRE alone', 'do nothing'],
  regex_min_offset: ['a body is searched from its beginning', BODY],
  regex_max_offset: ['the first 64 KiB of a body are searched', BODY],
  tls_compliant: ['how TLS is ended makes no difference', 'do nothing'],
}

/** One check for each `url` of an HTTP_GET or SSL_GET: all of them must pass. */
export function httpChecks(directive: Directive, around: Surroundings, notes: LeftOut[]): readonly Check[] {
  const options = readOptions(directive.block ?? [], around.timing)
  const urls = options.others.filter(({ name, block }) => name === 'url' && block !== undefined)
  for (const other of options.others) if (!urls.includes(other)) tellHttp(other, options.timing.virtualhost, notes)
  const timing = writeTiming(options.timing, HTTP)
  // keepalived never looks at the certificate.
  const tls = directive.name === 'SSL_GET' ? { tls: { verify: false, ...around.tls } } : {}
  const sections = urls.map((url) => ({ ...urlSection(url, options.timing.virtualhost, notes), ...tls }))
  if (urls.length === 0) {
    notes.push(leftOut(directive, 'it names no url', 'write http: { path: / }'))
    return []
  }
  return sections.map((http, index) => checkOf(urls[index] ?? directive, options, around, { ...timing, http }))
}

function tellHttp(other: Directive, virtualhost: string | undefined, notes: LeftOut[]): void {
  if (other.name === 'http_protocol') {
    if (other.words[0] === '1.1') return
    notes.push(leftOut(other, 'requests are of version 1.1 or 2', 'see to it that the servers answer 1.1'))
  } else if (other.name !== 'enable_sni' || virtualhost === undefined) tellOthers([other], notes, KNOWN)
}

function urlSection({ block = [] }: Directive, inherited: string | undefined, notes: LeftOut[]): Written {
  let path: string | undefined
  let host = inherited
  let status: (string | number)[] | undefined
  let pattern: Directive | undefined
  let not = false
  const account: { username?: string; password?: string } = {}
  for (const each of block) {
    const [word] = each.words
    if (each.name === 'path' && word !== undefined) path = word
    else if (each.name === 'virtualhost' && word !== undefined) host = word
    else if (each.name === 'status_code' && statusesOf(each) !== undefined) status = statusesOf(each)
    else if (each.name === 'regex' && word !== undefined) pattern = each
    else if (each.name === 'regex_no_match') not = true
    else if (each.name === 'username' && word !== undefined) account.username = word
    else if (each.name === 'password' && word !== undefined) account.password = word
    else notes.push(unknown(each, OF_URL))
  }
  const { username, password = '' } = account
  return present({
    path: path ?? '/',
    host,
    headers: username === undefined ? undefined : { Authorization: basic(username, password) },
    status: status ?? ['200-299'],
    body: pattern === undefined ? undefined : bodyOf(pattern, not, notes),
  })
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function statusesOf({ words }: Directive): (string | number)[] | undefined {
  if (words.length === 0 || !words.every((word) => /^\d{3}(-\d{3})?$/.test(word))) return undefined
  return words.map((word) => (word.includes('-') ? word : Number(word)))
}

function bodyOf(regex: Directive, not: boolean, notes: LeftOut[]): Written | undefined {
  const [pattern = ''] = regex.words
  try {
    new RegExp(pattern)
  } catch {
    notes.push(leftOut(regex, 'the pattern is none of JavaScript', 'write body: { pattern: ... } in the form of JavaScript'))
    return undefined
  }
  return { pattern, ...(not && { not }) }
}
