import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import type { HttpProbeSpec } from '../../../../src/model/probe-spec.ts'
import { complaints, loaded, oneService } from '../support.ts'

const probe = (section: string) =>
  loaded(oneService(`health_check: { ${section} }`), {}, '/etc/pointsman/main.yaml').services[0]?.checks[0]?.probe
/** Without the place, which the tests of the loader have. */
const complaint = (section: string) =>
  complaints(oneService(`health_check: { ${section} }`)).map((sentence) => sentence.replace(/^pointsman\.yaml:\d+:\d+: \S+ /, ''))

const published = z.fromJSONSchema(
  JSON.parse(readFileSync(new URL('../../../../config/pointsman.schema.json', import.meta.url), 'utf8')),
)

const HTTP: HttpProbeSpec = {
  kind: 'http',
  version: '1.1',
  method: 'GET',
  path: '/',
  headers: {},
  status: [{ from: 200, to: 200 }],
  redirects: 'accept',
}

describe('a section', () => {
  it.each<[string, unknown]>([
    ['type: tcp', { kind: 'tcp' }],
    ['tcp: { expect: "220 " }', { kind: 'tcp', expect: { by: 'text', value: '220 ' } }],
    [
      'tcp: { send: "\\x00PING\\r\\n", expect: { pattern: "^.PONG", not: true } }',
      { kind: 'tcp', send: '\x00PING\r\n', expect: { by: 'pattern', value: '^.PONG', not: true } },
    ],
    ['type: tls', { kind: 'tls', tls: { verify: true } }],
    [
      'tls: { server_name: www.example, ca: ca.pem, cert: /x/cert.pem, key: ../key.pem }',
      {
        kind: 'tls',
        tls: {
          verify: true,
          serverName: 'www.example',
          caFile: '/etc/pointsman/ca.pem',
          certFile: '/x/cert.pem',
          keyFile: '/etc/key.pem',
        },
      },
    ],
    ['type: http', HTTP],
    [
      'http: { path: "/live?deep=1", status: [200-204, 301] }',
      {
        ...HTTP,
        path: '/live?deep=1',
        status: [
          { from: 200, to: 204 },
          { from: 301, to: 301 },
        ],
      },
    ],
    ['http: { status: 204 }', { ...HTTP, status: [{ from: 204, to: 204 }] }],
    ['http: { version: 2, method: HEAD, redirects: 3 }', { ...HTTP, version: '2', method: 'HEAD', redirects: { most: 3 } }],
    ['http: { body: grün }', { ...HTTP, body: { by: 'text', value: 'grün' } }],
    ['http: { body: { text: fehler, not: true } }', { ...HTTP, body: { by: 'text', value: 'fehler', not: true } }],
    [
      'http: { headers: { X-Probe: "1" }, identity: { header: X-Instance, value: web-1 } }',
      { ...HTTP, headers: { 'X-Probe': '1' }, identity: { header: 'x-instance', value: 'web-1' } },
    ],
    [
      'http: { host: "www.example:8443", tls: {} }',
      { ...HTTP, host: 'www.example:8443', tls: { verify: true, serverName: 'www.example' } },
    ],
    ['http: { host: 10.0.0.1, tls: { verify: false } }', { ...HTTP, host: '10.0.0.1', tls: { verify: false } }],
    [
      'http: { host: www.example, tls: { server_name: other.example } }',
      { ...HTTP, host: 'www.example', tls: { verify: true, serverName: 'other.example' } },
    ],
    ['http: { proxy: { through: "http://10.0.0.5:3128" } }', { ...HTTP, proxy: { through: 'http://10.0.0.5:3128' } }],
    ['http: { proxy: { through: "http://[2001:DB8::5]" } }', { ...HTTP, proxy: { through: 'http://[2001:db8::5]:80' } }],
    [
      'http: { proxy: { url: "http://www.example:8080/page?x=1" } }',
      { ...HTTP, host: 'www.example:8080', path: '/page?x=1', proxy: { url: 'http://www.example:8080/page?x=1' } },
    ],
    [
      'http: { proxy: { url: "https://www.example/" } }',
      {
        ...HTTP,
        host: 'www.example',
        tls: { verify: true, serverName: 'www.example' },
        proxy: { url: 'https://www.example/' },
      },
    ],
    ['type: http, http_path: /live, http_expected_status: 204', { ...HTTP, path: '/live', status: [{ from: 204, to: 204 }] }],
    ['http_path: /live, http: { method: HEAD }', { ...HTTP, path: '/live', method: 'HEAD' }],
  ])('%s is read, and taken by the published JSON Schema', (section, spec) => {
    expect(probe(section)).toEqual(spec)
    expect(published.safeParse(parse(oneService(`health_check: { ${section} }`))).error?.issues ?? []).toEqual([])
  })

  it.each([
    ['tcp: { send: PING }', 'tcp sends something and expects nothing; write expect: with what must come back, or remove send'],
    [
      'tcp: { send: ü€, expect: x }',
      'the text holds characters above U+00FF, which are more than one byte; write each byte for itself, such as "\\xC3\\xBC" for the two bytes of ü',
    ],
    [
      'tcp: { expect: { pattern: "(" } }',
      'the pattern is not a regular expression (Unterminated group); correct it, or write text: for a plain text',
    ],
    [
      'tcp: { expect: { text: a, pattern: b } }',
      'both text and pattern are expected; write a text, { text: ... } or { pattern: ... }',
    ],
    ['tcp: { expect: { not: true } }', 'nothing is expected; write a text, { text: ... } or { pattern: ... }'],
    ['tcp: { expect: "" }', 'the text is empty; write what the answer contains, in at most 4000 characters'],
    [
      'tls: { server_name: 10.0.0.1 }',
      'the server_name 10.0.0.1 is an address; write the name, or leave it out: the address is what is checked then',
    ],
    ['tls: { cert: a.pem }', 'tls has a certificate without its key; write key: too'],
    ['http: { path: healthz }', '"healthz" does not begin with a slash; write /healthz'],
    [
      'http: { path: "/a b" }',
      '"/a b" holds blanks or letters beyond ASCII; write %20 for a blank, and other letters in this way, too',
    ],
    [
      'http: { path: "https://u:pw@www.example/x?t=1" }',
      '"https://***@www.example/x?..." does not begin with a slash; write what stands behind the host, from its slash on',
    ],
    [
      'http: { host: "https://u:p/w@www.example/?t=1" }',
      '"https://***@www.example/?..." is not a host; write a name, with its port where it has one, such as www.example:8080',
    ],
    ['http: { path: "/a#b" }', '"/a#b" has a fragment, which is not sent; remove all from # on'],
    ['http: { method: CONNECT }', '"CONNECT" is not known; write GET, HEAD, OPTIONS or POST'],
    ['http: { version: 3 }', '3 is no version; write 1.1 or 2'],
    ['http: { status: [] }', 'the list of statuses is empty; write [200-299]'],
    ['http: { status: 2xx }', '"2xx" is no status; write 200 or 200-299'],
    ['http: { status: 299-200 }', '"299-200" ends before it begins; write 200-299'],
    ['http: { status: [200, 600] }', '600 is above 599; write a status from 100 to 599'],
    ['http: { method: HEAD, body: x }', 'an answer to HEAD has no body; write method: GET, or remove body'],
    [
      'http: { host: "http://www.example" }',
      '"http://www.example" is not a host; write a name, with its port where it has one, such as www.example:8080',
    ],
    [
      'http: { version: 2, host: 10.0.0.256 }',
      '"10.0.0.256" is not a host; write a name, with its port where it has one, such as www.example:8080',
    ],
    [
      'http: { host: "www.example:99999" }',
      '"www.example:99999" is not a host; write a name, with its port where it has one, such as www.example:8080',
    ],
    [
      'tls: { server_name: "www example" }',
      'the server_name "www example" is no name of a host; write a name such as www.example',
    ],
    ['http: { headers: { Host: x } }', 'Host has a key of its own; write host: beside headers'],
    ['http: { headers: { Connection: close } }', 'the header Connection is set by the probe itself; remove it'],
    ['http: { headers: { X-N: 5 } }', 'the value of the header X-N is no text; put it in quotes'],
    [
      'http: { headers: { "X N": a } }',
      'the header "X N" has a character that HTTP does not permit; remove it from the name or the value',
    ],
    ['http: { headers: { X-A: a, x-a: b } }', 'the header x-a is there twice; remove one of the two'],
    ['http: { identity: { header: X-A } }', 'identity needs a header and its value; write { header: X-Instance, value: web-1 }'],
    ['http: { redirects: follow }', '"follow" is not a number; write accept, or how many redirects are followed, 1 to 10'],
    [
      'http: { proxy: {} }',
      'the proxy is neither on the way nor the backend itself; write through: http://10.0.0.5:3128, or url:',
    ],
    [
      'http: { proxy: { through: "http://10.0.0.5:3128", url: "http://www.example/" } }',
      'the proxy is both on the way and the backend itself; keep one of through and url',
    ],
    [
      'http: { proxy: { through: "http://proxy.example:3128" } }',
      '"proxy.example" is a name, which probes do not look up; write http:// with the address and port of the proxy, such as http://10.0.0.5:3128',
    ],
    [
      'http: { proxy: { through: "http://me:secret@10.0.0.5:3128" } }',
      'the address holds a user name or password, which would appear in logs; remove it',
    ],
    ['http: { path: /x, proxy: { url: "http://www.example/" } }', 'proxy url says already what is asked for; remove path'],
    [
      'http: { tls: {}, proxy: { url: "http://www.example/" } }',
      'tls has no meaning for an http:// url; write https://, or remove tls',
    ],
    [
      'http: { version: 2, proxy: { through: "http://10.0.0.5:3128" } }',
      'a proxy is not asked over HTTP/2; write version: 1.1, or tls: {}',
    ],
    ['http_path: /a, http: { path: /b }', 'http_path and http: { path } say the same; remove one of the two'],
  ])('%s is refused', (section, sentence) => {
    expect(complaint(section)).toEqual([sentence])
  })

  it('never shows the value of a header that is refused', () => {
    const [sentence = ''] = complaint('http: { headers: { Authorization: "Bearer s3cr\\u20ACt" } }')
    expect(sentence).toMatch(/^the header "Authorization" has a character/)
    expect(sentence).not.toContain('s3cr')
  })
})
