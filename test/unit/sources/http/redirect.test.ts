import { describe, expect, it } from 'vitest'
import { redirectTarget } from '../../../../src/sources/http/redirect.ts'

function target(from: string, location: string | undefined): string {
  const to = redirectTarget(new URL(from), location)
  return 'problem' in to ? to.problem : to.href
}

describe('a redirect', () => {
  it.each([
    ['http://inventory/web', '/v2/web.json?a=1#b', 'http://inventory/v2/web.json?a=1'],
    ['http://inventory:8080/web', 'http://INVENTORY:8080/other', 'http://inventory:8080/other'],
    ['http://inventory/web', 'https://inventory/web', 'https://inventory/web'],
    ['http+unix://%2Fa.sock/web', '/v2', 'http+unix://%2Fa.sock/v2'],
    ['https://inventory/web', 'web.json', 'https://inventory/web.json'],
  ])('from %s to %s is followed', (from, location, to) => expect(target(from, location)).toBe(to))

  it.each([
    ['http://inventory/', undefined, 'the server redirects without saying where to'],
    ['http://inventory/', 'http://[', 'the server redirects without saying where to'],
    ['http://inventory/', 'http://elsewhere/', 'the server redirects to http://elsewhere'],
    ['http://inventory/', 'https://elsewhere/', 'the server redirects to https://elsewhere'],
    ['http://inventory/', '//elsewhere/', 'the server redirects to http://elsewhere'],
    ['http://inventory/', 'http://inventory:81/', 'the server redirects to http://inventory:81'],
    ['https://inventory/', 'https://inventory:8443/', 'the server redirects to https://inventory:8443'],
    ['https://inventory/', 'http://inventory/', 'the server redirects from https to an address without TLS'],
    ['https://inventory/', 'file:///etc/passwd', 'the server redirects from https to an address without TLS'],
    ['http://inventory/', 'file:///etc/passwd', 'the server redirects to file://'],
    ['http+unix://%2Fa.sock/', 'http+unix://%2Fb.sock/', 'the server redirects to http+unix://%2Fb.sock'],
    ['http+unix://%2Fa.sock/', 'https://inventory/', 'the server redirects to https://inventory'],
    ['http://inventory/', 'http://me:hunter2@inventory/', 'the server redirects to an address with a user name'],
  ])('from %s to %s is not followed', (from, location, why) => expect(target(from, location)).toBe(why))
})
