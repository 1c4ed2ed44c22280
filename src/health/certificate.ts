import type { X509Certificate } from 'node:crypto'
import { excerpt } from './excerpt.ts'

const DAY = 86_400_000

/** Whole days until a certificate runs out; negative afterwards; undefined where its end is no time. `now` in milliseconds since the epoch. */
export function daysLeft({ validTo }: Pick<X509Certificate, 'validTo'>, now: number): number | undefined {
  const days = Math.floor((Date.parse(validTo) - now) / DAY)
  return Number.isNaN(days) ? undefined : days
}

const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** What is wrong with the certificate that a backend shows, in a sentence without its beginning. `code` is that of OpenSSL or Node. */
export function certificateFault(code: string, certificate: X509Certificate | undefined, name: string): string {
  if (certificate === undefined) return 'shows no certificate'
  if (code === 'CERT_HAS_EXPIRED') return `shows a certificate that has run out (valid to ${dayOf(certificate.validTo)})`
  if (code === 'CERT_NOT_YET_VALID')
    return `shows a certificate that is not valid yet (valid from ${dayOf(certificate.validFrom)})`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `shows a certificate for ${excerpt(certificate.subjectAltName ?? certificate.subject)}, not for ${name}`
  if (UNKNOWN_AUTHORITY.has(code)) return `shows a certificate of an authority that is not known here (${code})`
  return `shows a certificate that is not accepted (${code})`
}

function dayOf(date: string): string {
  return new Date(date).toISOString().slice(0, 10)
}
