import { describe, expect, it } from 'vitest'
import { complaints, loaded, oneService } from '../support.ts'

const probe = (section: string) => loaded(oneService(`health_check: { ${section} }`)).services[0]?.checks[0]?.probe
/** Without the place, which the tests of the loader have. */
const complaint = (section: string) =>
  complaints(oneService(`health_check: { ${section} }`)).map((sentence) => sentence.replace(/^pointsman\.yaml:\d+:\d+: \S+ /, ''))

const USUAL = { dns: { kind: 'dns', type: 'A', transport: 'udp', rcode: 0 } } as const

describe('a section', () => {
  it.each([
    ['dns: { name: www.example }', { ...USUAL.dns, name: 'www.example' }],
    ['dns: { name: ".", type: SOA, transport: tcp }', { ...USUAL.dns, name: '.', type: 'SOA', transport: 'tcp' }],
    ['dns: { name: gone.example, rcode: NXDOMAIN }', { ...USUAL.dns, name: 'gone.example', rcode: 3 }],
    [
      "dns: { name: x.example, type: DS, answer: '\\# 6 BEEF 0802ABCD' }",
      { ...USUAL.dns, name: 'x.example', type: 'DS', answer: '\\# 6 BEEF 0802ABCD' },
    ],
    ['dns: { name: gone.example, rcode: 9 }', { ...USUAL.dns, name: 'gone.example', rcode: 9 }],
    ['dns: { name: x.example, answer: 10.0.0.1 }', { ...USUAL.dns, name: 'x.example', answer: '10.0.0.1' }],
    [
      'dns: { name: x.example, type: MX, answer: 10 mail.example. }',
      { ...USUAL.dns, name: 'x.example', type: 'MX', answer: '10 mail.example.' },
    ],
    ['udp: { send: "\\x00\\xffping" }', { kind: 'udp', send: '\x00\xffping' }],
    [
      'udp: { send: ping, expect: { pattern: "^p.ng", not: true } }',
      { kind: 'udp', send: 'ping', expect: { by: 'pattern', value: '^p.ng', not: true } },
    ],
    ['type: syslog', { kind: 'syslog', transport: 'udp', facility: 3, severity: 7, message: 'health check' }],
    [
      'syslog: { transport: tcp, facility: local7, severity: emerg, message: hello }',
      { kind: 'syslog', transport: 'tcp', facility: 23, severity: 0, message: 'hello' },
    ],
    ['type: grpc', { kind: 'grpc', service: '' }],
    ['grpc: { service: shop.Cart, tls: {} }', { kind: 'grpc', service: 'shop.Cart', tls: { verify: true } }],
    ['type: smtp', { kind: 'smtp', helo: 'localhost' }],
    ['smtp: { helo: lb.example. }', { kind: 'smtp', helo: 'lb.example' }],
    ['exec: { command: [/bin/check] }', { kind: 'exec', command: ['/bin/check'], dynamic: false }],
    [
      'exec: { command: [/bin/check, "", "a b;c"], dynamic: true, user: root }',
      { kind: 'exec', command: ['/bin/check', '', 'a b;c'], dynamic: true, user: 'root' },
    ],
    ['type: agent', { kind: 'agent' }],
    ['port: 9999, agent: { send: "web-1\\n" }', { kind: 'agent', send: 'web-1\n' }],
  ])('%s is read with every default', (section, spec) => {
    expect(probe(section)).toEqual(spec)
  })

  it.each([
    ['type: dns', 'dns asks for no name; write dns: { name: www.example, type: A, answer: 192.0.2.1 }'],
    ['dns: { name: 10.0.0.1 }', '"10.0.0.1" is an address, not a name'],
    ['dns: { name: x.example, type: ANY }', '"ANY" is not known'],
    ['dns: { name: x.example, rcode: nxdomain }', 'did you mean NXDOMAIN?'],
    ['dns: { name: x.example, rcode: 16 }', '16 is above 15'],
    ['dns: { name: x.example, rcode: 3, answer: 10.0.0.1 }', 'a failure has no data; remove answer, or rcode'],
    ['dns: { name: x.example, answer: "::1" }', '::1 is no IPv4 address, and no other data have the type A'],
    [
      'dns: { name: x.example, type: DS, answer: 48879 8 2 ABCD }',
      '"48879 8 2 ABCD" is not in the form in which data of the type DS are compared; write it as dig +unknownformat prints it',
    ],
    ['dns: { name: x.example, type: AAAA, answer: 10.0.0.1 }', '10.0.0.1 is no IPv6 address'],
    ['type: udp', 'udp sends nothing; write what backends answer'],
    ['udp: { send: "€" }', 'more than one byte'],
    ['udp: { send: x, expect: { pattern: "(" } }', 'is not a regular expression'],
    ['syslog: { transport: sctp }', '"sctp" is not known'],
    ['syslog: { facility: local8 }', '"local8" is not known; did you mean local0?'],
    ['grpc: { service: "" }', 'the text is empty'],
    ['grpc: { tls: { server_name: 10.0.0.1 } }', 'the server_name 10.0.0.1 is an address'],
    ['smtp: { helo: "a b" }', '"a b" has the part "a b"'],
    ['type: exec', 'exec has no command; write exec: { command: [/usr/local/bin/check, --fast] }'],
    ['exec: { command: /bin/check }', 'a text is not a command; write a list'],
    ['exec: { command: [check] }', '"check" is not the whole path of a program'],
    ['exec: { command: [] }', 'the list is empty'],
    ['exec: { command: [/bin/check, 5] }', 'a number is not text; put it in quotes'],
    ['exec: { command: [/bin/check], user: "a:b" }', '"a:b" is not the name of a user'],
    ['agent: { sent: x }', 'the key sent is not known here; did you mean send?'],
  ])('%s is refused in one sentence', (section, sentence) => {
    const sentences = complaint(section)
    expect(sentences).toHaveLength(1)
    expect(sentences[0]).toContain(sentence)
  })
})
