import { ownEntry } from '../../document/own-entry.ts'
import { formatDuration } from '../../document/values/duration.ts'
import { type IpAddress, parseAddress } from '../../model/address.ts'
import type { Directive } from './tree.ts'

/** A whole number from 0 on; undefined where the word is none. */
export function wholeNumber(word: string | undefined): number | undefined {
  return word !== undefined && /^\d{1,10}$/.test(word) ? Number(word) : undefined
}

/** Milliseconds of a TIMER: seconds, with fractions. */
export function timer(word: string | undefined): number | undefined {
  return word !== undefined && /^\d{1,7}(\.\d+)?$/.test(word) ? Math.round(Number(word) * 1000) : undefined
}

/** A directive that is on where nothing stands behind it. */
export function isOn({ words: [word] }: Directive): boolean {
  return word === undefined || ['on', 'true', 'yes'].includes(word.toLowerCase())
}

/** Milliseconds as a duration of a configuration, not outside the range that it may have there. */
export function within(milliseconds: number, least: number, most: number): string {
  return formatDuration(Math.min(most, Math.max(least, milliseconds)))
}

/** `NAT`, `DR`, or `TUN [type {ipip | gue port NUMBER | gre} [nocsum | csum | remcsum]]`; undefined where it is none of them. */
export function forwarding(words: readonly string[]): unknown {
  const [method = '', ...options] = words
  switch (method.toUpperCase()) {
    case 'NAT':
      return 'nat'
    case 'DR':
      return 'direct'
    case 'TUN':
      return tunnel(options)
    default:
      return undefined
  }
}

const CHECKSUMS: Readonly<Record<string, string | undefined>> = {
  csum: 'checksum',
  remcsum: 'remote-checksum',
  nocsum: undefined,
}

function tunnel(options: readonly string[]): unknown {
  const after = (word: string) => (options.includes(word) ? options[options.indexOf(word) + 1] : undefined)
  const type = after('type') ?? 'ipip'
  if (type === 'ipip') return 'tunnel'
  if (type !== 'gue' && type !== 'gre') return undefined
  const port = wholeNumber(after('port'))
  const checksum = options.map((word) => ownEntry(CHECKSUMS, word)).find((known) => known !== undefined)
  return { tunnel: { type, ...(type === 'gue' && port !== undefined && { port }), ...(checksum !== undefined && { checksum }) } }
}

/** A literal address; a prefix length behind it is passed over. */
export function addressOf(word: string | undefined): IpAddress | undefined {
  return parseAddress((word ?? '').replace(/\/\d+$/, ''))
}

/**
 * The program and arguments of a script. keepalived gives a text with characters of the shell to a shell, and splits others at
 * blanks, with single quotes around arguments that hold some.
 */
export function commandOf(text: string): string[] {
  if (/[$`|&;<>*?~()\\"]/.test(text)) return ['/bin/sh', '-c', text.trim()]
  return [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}
