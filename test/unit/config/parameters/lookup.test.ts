// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { describe, expect, it } from 'vitest'
import { lookUp, type ParameterDocument, type Surroundings } from '../../../../src/config/parameters/lookup.ts'

const file = (value: unknown): ParameterDocument => ({ kind: 'file', value })
const url = (value: unknown): ParameterDocument => ({ kind: 'url', value })

const interfaces = {
  lo: [
    { family: 'ipv4', address: '127.0.0.1' },
    { family: 'ipv6', address: '::1' },
  ],
  eth0: [
    { family: 'ipv6', address: 'fe80::1' },
    { family: 'ipv4', address: '192.0.2.1' },
    { family: 'ipv6', address: '2001:db8::1' },
    { family: 'ipv4', address: '192.0.2.2' },
    { family: 'ipv6', address: '2001:db8::2' },
  ],
  'eth0.100': [{ family: 'ipv4', address: '198.51.100.1' }],
  veth_1: [{ family: 'ipv4', address: '198.51.100.2' }],
  wg0: [{ family: 'ipv6', address: '2001:db8::9' }],
} as const

function found(name: string, more: Partial<Surroundings> = {}): string {
  const result = lookUp(name, { environment: {}, interfaces, documents: [], ...more })
  return result.kind === 'value' ? result.text : `${result.kind}: ${result.problem}`
}

describe('an address of this host', () => {
  it.each([
    ['host.lo', '127.0.0.1'],
    ['host.eth0', '192.0.2.1'],
    ['host.eth0_0', '192.0.2.1'],
    ['host.eth0_1', '192.0.2.2'],
    // All addresses are numbered, IPv4 first, as ipvsctl has them from the kernel.
    ['host.eth0_2', 'fe80::1'],
    ['host.eth0_3', '2001:db8::1'],
    ['host.lo_1', '::1'],
    ['host.eth0.ipv6', '2001:db8::1'],
    ['host.eth0.ipv6_1', '2001:db8::2'],
    ['host.eth0.ipv4_1', '192.0.2.2'],
    ['host.eth0.100', '198.51.100.1'],
    ['host.eth0.100_0', '198.51.100.1'],
    ['host.veth_1', '198.51.100.2'],
    ['host.wg0', '2001:db8::9'],
    ['host.eth0_9', 'none: is no address of this host'],
    ['host.wg0.ipv4', 'none: is no address of this host'],
    ['host.eth1', 'none: is no address of this host'],
    ['host.constructor', 'none: is no address of this host'],
  ])('%s is %s', (name, expected) => {
    expect(found(name)).toBe(expected)
  })

  it('is no secret; what comes from elsewhere may be one', () => {
    const surroundings = { environment: { A: 'x' }, interfaces, documents: [file({ b: 'y' })] }
    expect(lookUp('host.lo', surroundings)).toMatchObject({ outside: false })
    expect(lookUp('env.A', surroundings)).toMatchObject({ outside: true })
    expect(lookUp('b', surroundings)).toMatchObject({ outside: true })
  })
})

describe('an entry of a document', () => {
  const documents = [
    file({
      some: { ip: '10.5.4.3', port: 1234, on: true, more: { second: 20 } },
      list: [{ ip: 'a' }, 'b', ['c']],
      'with.dot': { x: 1 },
    }),
  ]

  it.each([
    ['some.ip', '10.5.4.3'],
    ['some.port', '1234'],
    ['some.on', 'true'],
    ['some.more.second', '20'],
    ['list.0.ip', 'a'],
    ['list[0].ip', 'a'],
    ['list[1]', 'b'],
    ['list.2[0]', 'c'],
    ['with.dot.x', '1'],
    ['file.some.ip', '10.5.4.3'],
    ['list.3', 'none: is in no document under parameters'],
    ['list.length', 'none: is in no document under parameters'],
    ['list.00.ip', 'none: is in no document under parameters'],
    ['some.constructor', 'none: is in no document under parameters'],
    ['some.ip.length', 'none: is in no document under parameters'],
    ['url.some.ip', 'none: is in no document under parameters'],
    ['list', 'unfit: stands for a list, which cannot stand in a text'],
  ])('%s is %s', (name, expected) => {
    expect(found(name, { documents })).toBe(expected)
  })

  it('is that of the first document that has it, files before urls as they are given; an empty one is none', () => {
    const several = [file({ a: 1, gone: null }), file({ a: 2, b: 2, gone: 'here' }), url({ a: 3, b: 3, c: 3 })]
    expect(['a', 'b', 'c', 'gone', 'url.a', 'file.b'].map((name) => found(name, { documents: several }))).toEqual([
      '1',
      '2',
      '3',
      'here',
      '3',
      '2',
    ])
  })

  it('comes behind the environment and the interfaces', () => {
    const mine = [file({ env: { A: 'document', B: 'document' }, host: { lo: 'document', eth9: 'document' } })]
    const environment = { A: 'environment', B: '' }
    const names = ['env.A', 'env.B', 'host.lo', 'host.eth9']
    expect(names.map((name) => found(name, { environment, documents: mine }))).toEqual([
      'environment',
      'document',
      '127.0.0.1',
      'document',
    ])
  })
})

describe('a name that nothing has', () => {
  it('is told apart by what was meant', () => {
    const environment = { PORT: '80' }
    const sentences = ['PORT', 'x', 'env.constructor'].map((name) => lookUp(name, { environment, interfaces, documents: [] }))
    expect(sentences).toEqual([
      {
        kind: 'none',
        problem: 'is no parameter',
        remedy: expect.stringContaining('write env. in front of the name of a variable; $${'),
      },
      { kind: 'none', problem: 'is no parameter', remedy: expect.stringContaining('name documents under parameters') },
      { kind: 'none', problem: 'is not in the environment', remedy: expect.stringContaining('set the variable') },
    ])
    const inDocuments = ['PORT', 'evn.X'].map((name) => lookUp(name, { environment: {}, interfaces, documents: [file({})] }))
    expect(inDocuments).toEqual([
      {
        kind: 'none',
        problem: 'is in no document under parameters',
        remedy: expect.stringMatching(/^correct the name, .*; \$\$\{ stands for \$\{ itself/),
      },
      {
        kind: 'none',
        problem: 'is in no document under parameters',
        remedy: expect.stringMatching(/^did you mean \$\{env\.NAME\}\? \$\$\{ stands for/),
      },
    ])
    expect(found('ports.web', { documents: 'unread' })).toBe('unfit: cannot stand where files and documents are named')
    expect(found('env.X', { documents: 'unread' })).toBe('none: is not in the environment')
  })
})
