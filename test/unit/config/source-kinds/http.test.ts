import { describe, expect, it } from 'vitest'
import { type SourceSpec, sourceName } from '../../../../src/model/source-spec.ts'
import { complaints, loaded, oneService } from '../support.ts'

function spec(http: string): SourceSpec | undefined {
  return loaded(oneService(`source: { http: ${http} }`)).services[0]?.sources[0]
}

function faults(http: string): string[] {
  return complaints(oneService(`source: { http: ${http} }`)).map((sentence) =>
    sentence.replace(/^pointsman\.yaml:\d+:\d+: services\[0\]\.source/, ''),
  )
}

const DEFAULTS = { kind: 'http', interval: 30_000, timeout: 10_000, maxSize: 10_485_760 }

describe('an http source in a configuration', () => {
  it('is a url, and everything else by default', () => {
    expect(spec('https://inventory.example/web.json')).toEqual({ ...DEFAULTS, url: 'https://inventory.example/web.json' })
    expect(spec('"http+unix://%2Frun%2Finventory.sock/web.json"')).toMatchObject({
      url: 'http+unix://%2Frun%2Finventory.sock/web.json',
    })
    expect(spec('{ url: "http://[2001:DB8::1]:8500" }')).toEqual({ ...DEFAULTS, url: 'http://[2001:db8::1]:8500/' })
  })

  it('may say how it is asked', () => {
    const tls = 'tls: { ca: tls/ca.pem, cert: /tls/cert.pem, key: /tls/key.pem, server_name: inventory }'
    const auth = 'basic_auth: { username: pointsman, password_file: /secrets/password }'
    expect(spec(`{ url: https://x/, interval: 5s, timeout: 2s, max_size: 1000, ${tls}, ${auth} }`)).toEqual({
      kind: 'http',
      url: 'https://x/',
      interval: 5_000,
      timeout: 2_000,
      maxSize: 1_000,
      tls: {
        caFile: expect.stringMatching(/^\/.*\/tls\/ca\.pem$/),
        certFile: '/tls/cert.pem',
        keyFile: '/tls/key.pem',
        serverName: 'inventory',
        verify: true,
      },
      auth: { kind: 'basic', username: 'pointsman', passwordFile: '/secrets/password' },
    })
    expect(spec('{ url: http://x/, bearer_token_file: /secrets/token }')).toMatchObject({
      auth: { kind: 'bearer', tokenFile: '/secrets/token' },
    })
    expect(spec('{ url: https://x/, tls: { verify: false } }')).toMatchObject({ tls: { verify: false } })
  })

  it.each([
    ['{}', ': the http source has no url; write http: { url: https://inventory.example/web.json }'],
    ['inventory/web.json', '.http: "inventory/web.json" is not the address of a list; write the address'],
    ['{ url: "ftp://inventory/" }', '.http.url: ftp:// cannot be asked for a list; write http:// or https://'],
    [
      '{ url: "https://pointsman:hunter2@inventory/" }',
      '.http.url: the url holds a user name or password, which would appear in logs; write basic_auth: { username: ..., password_file: ... } beside a url without them',
    ],
    ['http+unix://run/web.json', '.http: the url names no socket; write its absolute path with %2F for each slash'],
    ['"http+unix://%2Frun%FF/web.json"', '.http: the url names no socket'],
    ['{ url: "https://inventory/#web" }', '.http.url: what stands behind # is not sent to the server; remove it from the url'],
    ['{ url: https://x/, interval: 30 }', '.http.interval: 30 has no unit; write 30s for seconds'],
    ['{ url: https://x/, interval: 500ms }', '.http.interval: 500ms is below 1s'],
    ['{ url: https://x/, max_size: 0 }', '.http.max_size: 0 is below 1'],
    ['{ url: http://x/, tls: { ca: ca.pem } }', ': tls has no meaning for an http:// url; write https://, or remove tls'],
    ['{ url: https://x/, tls: { key: key.pem } }', ': tls has a key without its certificate; write cert: too'],
    ['{ url: https://x/, tls: { cert: cert.pem } }', ': tls has a certificate without its key; write key: too'],
    ['{ url: https://x/, tls: { ca: ca.pem, verify: false } }', ': tls has a ca that verify: false makes useless'],
    ['{ url: https://x/, basic_auth: { username: a } }', ': basic_auth needs a user name and a password file'],
    ['{ url: https://x/, basic_auth: { username: "a:b", password_file: p } }', ': a user name of basic_auth cannot hold a colon'],
    [
      '{ url: https://x/, basic_auth: { username: a, password: hunter2 } }',
      '.http.basic_auth.password: the key password is not known here',
    ],
    [
      '{ url: https://x/, basic_auth: { username: a, password_file: p }, bearer_token_file: t }',
      ': the http source has both basic_auth and bearer_token_file; remove one of the two',
    ],
    ['{ urls: https://x/ }', '.http.urls: the key urls is not known here; did you mean url?'],
  ])('%s is refused', (http, sentence) => {
    const said = faults(http)
    expect(said[0]).toContain(sentence)
    expect(said.join()).not.toContain('hunter2')
  })

  it('does not show what cannot be read as an address together with its password', () => {
    expect(faults('"https://pointsman:hunter2@inv entory:x/"').join()).not.toContain('hunter2')
  })

  it('has a name without the secrets of its query', () => {
    const name = (url: string) => sourceName({ ...DEFAULTS, kind: 'http', url })
    expect(name('https://x/web.json?dc=a&x_token=hunter2&b=1')).toBe('http https://x/web.json?dc=a&x_token=***&b=1')
    expect(name('https://x/web.json?service=web')).toBe('http https://x/web.json?service=web')
  })
})
