import { describe, expect, test } from 'vitest'
import { whyBrowserTurnedAway, whyTurnedAway } from '../../../src/admin/visitor.ts'

const NAMES = ['lb1.example']
const answered = (headers: Record<string, string>, isPage = false) => whyTurnedAway(headers, NAMES, isPage) === undefined

describe('Host', () => {
  test.each([
    '127.0.0.1:9095',
    '10.1.2.3',
    '[::1]:9095',
    '[2001:db8::1]',
    'localhost:9095',
    'LOCALHOST',
    'a.localhost:9095',
    'lb1.example:9095',
    'LB1.Example.',
  ])('%s is answered', (host) => {
    expect(answered({ host })).toBe(true)
  })

  test.each([
    'evil.example:9095',
    'lb1.example.evil.example',
    'xlb1.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'notlocalhost',
    '',
    '[10.0.0.1]',
    '[lb1.example]',
    'user@127.0.0.1',
    '127.0.0.1:9095/x',
    '127.0.0.1 evil.example',
    '2130706433',
    '0x7f.1',
  ])('%j is not', (host) => {
    expect(answered({ host })).toBe(false)
  })

  test('none is not', () => {
    expect(answered({})).toBe(false)
  })
})

describe('another site', () => {
  const host = '127.0.0.1:9095'

  test.each(['http://127.0.0.1:9095', 'https://127.0.0.1:9095'])('the own origin %s is answered', (origin) => {
    expect(answered({ host, origin })).toBe(true)
  })

  test.each(['http://evil.example', 'http://127.0.0.1:9096', 'http://127.0.0.1', 'null', ''])(
    'the origin %j is not',
    (origin) => {
      expect(answered({ host, origin })).toBe(false)
      expect(answered({ host, origin }, true)).toBe(false)
    },
  )

  test('what a browser says of the site of the asking page counts', () => {
    for (const site of ['same-origin', 'none']) expect(answered({ host, 'sec-fetch-site': site })).toBe(true)
    for (const site of ['cross-site', 'same-site']) {
      expect(answered({ host, 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' })).toBe(false)
    }
  })

  test('a link may lead to the page, and to nothing else; no frame may', () => {
    const link = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    expect(answered(link, true)).toBe(true)
    expect(answered(link, false)).toBe(false)
    expect(answered({ ...link, 'sec-fetch-dest': 'iframe' }, true)).toBe(false)
  })
})

describe('what scrapers ask', () => {
  const host = 'evil.example:9095'
  const reason = (headers: Record<string, string>) => whyBrowserTurnedAway(headers, NAMES)

  test('is answered under every name', () => {
    expect(reason({ host, accept: '*/*', 'user-agent': 'Prometheus/3.0', 'accept-encoding': 'gzip' })).toBeUndefined()
    expect(reason({})).toBeUndefined()
  })

  test.each(['accept-language', 'origin', 'sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest'])(
    'is not for a browser under a foreign name, which it is by %s, whatever that says',
    (header) => {
      for (const value of ['', '*', 'x']) expect(reason({ host, [header]: value })).toContain('admin_allowed_hosts')
    },
  )

  test('is for a browser under an own name, by a link too, and not for pages of others', () => {
    const browser = { host: 'lb1.example:9095', 'accept-language': 'en' }
    expect(reason(browser)).toBeUndefined()
    const link = { ...browser, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    expect(reason(link)).toBeUndefined()
    expect(reason({ ...link, 'sec-fetch-dest': 'iframe' })).toContain('other origins')
    expect(reason({ ...browser, origin: 'http://evil.example' })).toContain('other origins')
  })
})
