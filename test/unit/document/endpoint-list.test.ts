import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BackendContext } from '../../../src/document/backend-list.ts'
import { parseEndpointList } from '../../../src/document/endpoint-list.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { spec } from '../pipeline/makers.ts'

function read(value: unknown, service: BackendContext = spec()) {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return parseEndpointList({ path: 'http https://inventory/web.json', bytes: Buffer.from(text) }, service)
}

function good(value: unknown, service?: BackendContext) {
  const result = read(value, service)
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
  return { ...result, members: [...result.backends.values()], said: result.warnings.map(formatIssue) }
}

function refusals(value: unknown, service?: BackendContext): string[] {
  const result = read(value, service)
  return result.ok ? [] : result.issues.map(formatIssue)
}

const WHERE = 'http https://inventory/web.json'

describe('the format of Prometheus HTTP SD', () => {
  it('is read as it is: labels become meta', () => {
    const answer = [
      { targets: ['10.1.0.1:8080', '[2001:db8::1]:8080'], labels: { __meta_datacenter: 'a', env: 'prod' } },
      { targets: ['10.1.0.2:8080'], labels: {}, source: 'ignored as Prometheus does' },
      { targets: ['10.1.0.3:8080'] },
      { targets: [] },
    ]
    expect(good(answer, spec({ forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } }, identity: fwmark })).members).toEqual([
      { address: '10.1.0.1', port: 8080, meta: { __meta_datacenter: 'a', env: 'prod' } },
      { address: '2001:db8::1', port: 8080, meta: { __meta_datacenter: 'a', env: 'prod' } },
      { address: '10.1.0.2', port: 8080 },
      { address: '10.1.0.3', port: 8080 },
    ])
  })

  it('says weight, priority, state, forwarding and thresholds by labels that do not become meta', () => {
    const labels = {
      __meta_pointsman_weight: '0',
      __meta_pointsman_priority: '2',
      __meta_pointsman_state: 'maintenance',
      __meta_pointsman_forwarding: 'nat',
      __meta_pointsman_upper_threshold: '100',
      __meta_pointsman_lower_threshold: '50',
      zone: 'a',
    }
    expect(good([{ targets: ['10.1.0.1:8080'], labels }]).members).toEqual([
      {
        address: '10.1.0.1',
        port: 8080,
        weight: 0,
        priority: 2,
        state: 'maintenance',
        forwarding: { method: 'nat' },
        upperThreshold: 100,
        lowerThreshold: 50,
        meta: { zone: 'a' },
      },
    ])
  })

  it.each([
    [
      'weight',
      'lots',
      'the label __meta_pointsman_weight is "lots" and not a number (this entry is not used); write a whole number in quotes, such as "5"',
    ],
    ['weight', '70000', '70000 is above 65535 (this entry is not used); write a weight from 0 to 65535'],
    [
      'weigth',
      '5',
      'the label __meta_pointsman_weigth is not known (this entry is not used); did you mean __meta_pointsman_weight?',
    ],
    [
      'state',
      'up',
      '"up" is not known (this entry is not used); did you mean passing? Otherwise write passing, warning, critical or maintenance',
    ],
  ])('puts all targets of a group aside when the label %s is %j, and keeps in doubt who they are', (label, text, sentence) => {
    const { members, said, quarantined, inDoubt } = good([
      { targets: ['10.1.0.1:8080', '10.1.0.2:8080'], labels: { [`__meta_pointsman_${label}`]: text } },
      { targets: ['10.1.0.3:8080'] },
    ])
    expect(members).toEqual([{ address: '10.1.0.3', port: 8080 }])
    expect([quarantined, inDoubt]).toEqual([2, ['10.1.0.1:8080', '10.1.0.2:8080']])
    expect(said[0]).toContain(`: 10.1.0.1:8080: ${sentence}`)
    expect(said[0]).toMatch(/^http https:\/\/inventory\/web\.json: \[0\]\.labels/)
  })

  it('puts one bad target aside and uses the others of its group', () => {
    const { members, said, quarantined, inDoubt } = good([{ targets: ['web-1.example:80', 5, '10.1.0.3:8080', '10.1.0.4'] }])
    expect(members).toEqual([{ address: '10.1.0.3', port: 8080 }])
    expect([quarantined, inDoubt]).toEqual([3, []])
    expect(said).toEqual([
      expect.stringMatching(
        /^http https:\/\/inventory\/web\.json: \[0\]\.targets\[0\]: "web-1\.example" is a name where an address is due \(this entry is not used\); /,
      ),
      expect.stringContaining('[0].targets[1]: 5 is not an address with a port'),
      expect.stringContaining('[0].targets[3]: "10.1.0.4" has no port'),
    ])
  })

  it('counts a group without a list of targets as one bad entry', () => {
    const { said, quarantined } = good([{ targets: 'all' }, { targets: ['10.1.0.1:8080'] }])
    expect(quarantined).toBe(1)
    expect(said).toEqual([
      `${WHERE}: [0].targets: "all" stands where the list of targets is due (this entry is not used); write "targets": ["10.1.0.1:8080"]`.replace(
        '10.1.0.1',
        '10.0.1.1',
      ),
    ])
  })
})

const fwmark = { kind: 'fwmark', fwmark: 7, family: 'ipv4' } as const

describe('our own format', () => {
  const full = {
    address: '10.1.0.1:8080',
    weight: 5,
    priority: 1,
    state: 'warning',
    forwarding: 'nat',
    upper_threshold: 10,
    lower_threshold: 5,
    meta: { zone: 'a' },
  }

  it('says everything that a backend can be', () => {
    const member = {
      address: '10.1.0.1',
      port: 8080,
      weight: 5,
      priority: 1,
      state: 'warning',
      forwarding: { method: 'nat' },
      upperThreshold: 10,
      lowerThreshold: 5,
      meta: { zone: 'a' },
    }
    expect(good({ version: 1, backends: [full, '10.1.0.2:8080'] }).members).toEqual([member, { address: '10.1.0.2', port: 8080 }])
    expect(good([full]).members).toEqual([member])
  })

  it.each([
    [{ ...full, weight: -1 }, '10.1.0.1:8080: -1 is below 0', ['10.1.0.1:8080']],
    [{ ...full, zone: 'a' }, '10.1.0.1:8080: the key zone is not known here', ['10.1.0.1:8080']],
    [{ ...full, meta: { zone: 1 } }, '10.1.0.1:8080: "zone" is 1 and not text', ['10.1.0.1:8080']],
    [{ adress: '10.1.0.1:8080' }, 'did you mean address?', []],
    [{}, 'the entry has no address', []],
    [null, 'nothing is written here', []],
    [[], 'a list is not an address with a port', []],
    [{ ...full, address: '0.0.0.0:80' }, '0.0.0.0 stands for every address', ['0.0.0.0:80']],
    [
      { ...full, address: '[2001:db8::1]:80' },
      'an IPv6 backend in an IPv4 service is possible by tunnel only',
      ['[2001:db8::1]:80'],
    ],
    [{ ...full, forwarding: 'direct' }, "port 8080 is not the service's port 80", ['10.1.0.1:8080']],
  ])('puts %j aside', (entry, sentence, doubt) => {
    const { members, said, quarantined, inDoubt } = good({ version: 1, backends: ['10.1.0.9:80', entry] })
    expect(members).toEqual([{ address: '10.1.0.9', port: 80 }])
    expect([quarantined, inDoubt]).toEqual([1, doubt])
    expect(said.join('\n')).toContain(sentence)
    expect(said[0]).toMatch(/^http https:\/\/inventory\/web\.json: backends\[1\]/)
  })

  it('keeps the first of two entries that disagree, and takes an equal one in silence', () => {
    const { members, said, quarantined, inDoubt } = good([
      { address: '10.1.0.1:80', weight: 5 },
      { address: '10.1.0.1:80', weight: 5 },
      { targets: ['10.1.0.1:80'] },
    ])
    expect(members).toEqual([{ address: '10.1.0.1', port: 80, weight: 5 }])
    expect([quarantined, inDoubt]).toEqual([1, []])
    expect(said).toEqual([
      `${WHERE}: [2].targets[0]: 10.1.0.1:80 is listed twice with different facts, first at [0] (this entry is not used); keep one of the two`,
    ])
  })

  it('warns of what is odd without leaving it out', () => {
    const marked = spec({ identity: fwmark, forwarding: { method: 'direct' } })
    const { members, said, quarantined } = good(['10.1.0.1:80'], marked)
    expect([members.length, quarantined]).toEqual([1, 0])
    expect(said[0]).toContain('[0]: 10.1.0.1:80: port 80 has no effect')
  })
})

describe('an answer as a whole', () => {
  it.each([
    ['[]'],
    ['{"version": 1, "backends": []}'],
    ['[{"targets": []}]'],
    ['\ufeff [\n] '],
    [`${' '.repeat(600)}[]${'\n'.repeat(600)}`],
  ])('%s is a valid answer: no backends', (text) => {
    expect(good(text)).toMatchObject({ members: [], warnings: [], quarantined: 0 })
  })

  it('of which nothing can be used is a failure and not an empty list', () => {
    const sentences = refusals([{ targets: ['web-1:80', 'web-2:80'] }, {}])
    expect(sentences).toHaveLength(3)
    expect(sentences[0]).toContain('[0].targets[0]: "web-1" is a name')
  })

  it.each([
    ['', 'the answer is empty; answer with JSON in UTF-8, and with [] for no backends'],
    [' '.repeat(1_000), 'the answer is empty'],
    ['<html><title>Log in</title></html>', 'the answer is not JSON in UTF-8; it is "<html><title>Log in</title></html>"; answer'],
    [`[${'"10.1.0.1:80",'.repeat(20)}`, 'the answer is not JSON in UTF-8; it begins "[\\"10.1.0.1:80'],
    ['null', 'nothing stands where a list is due'],
    ['"10.1.0.1:80"', '"10.1.0.1:80" stands where a list is due'],
    ['{}', 'the answer has no list behind the key backends'],
    ['{"version": 2, "backends": []}', 'version 2 of the format is not known; answer with version 1'],
    ['{"backend": []}', 'the key "backend" is not known here; did you mean backends?'],
    ['{"backends": {}}', 'the answer has no list behind the key backends'],
    [JSON.stringify(new Array(100_001).fill('10.1.0.1:80')), 'the list has 100001 entries; answer with at most 100000'],
  ])('%# is refused', (text, sentence) => {
    expect(refusals(text)).toEqual([expect.stringContaining(`${WHERE}: ${sentence}`)])
  })

  it('must be UTF-8', () => {
    const bytes = Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d])
    expect(parseEndpointList({ path: WHERE, bytes }, spec())).toMatchObject({
      ok: false,
      issues: [{ problem: 'the answer is not JSON in UTF-8; it is "[\\"\ufffd\\"]"' }],
    })
  })

  it('tells twenty warnings and how many more there are', () => {
    const { warnings, quarantined } = good(['10.1.0.1:80', ...new Array(30).fill('x:1')])
    expect([warnings.length, quarantined, warnings.at(-1)?.problem]).toEqual([21, 30, '10 more warnings about this list'])
  })

  it('is never a reason to throw, and its members are always usable', () => {
    const word = fc.oneof(
      fc.constantFrom('targets', 'labels', 'address', 'weight', 'backends', 'version', 'state', 'meta', '__proto__'),
      fc.string(),
    )
    const anything = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>('10.1.0.1:80', null, 5, 'passing'),
        fc.array(tie('value')),
        fc.dictionary(word, tie('value')),
      ),
    })).value
    fc.assert(
      fc.property(anything, (value) => {
        const result = read(value)
        if (result.ok) for (const { port } of result.backends.values()) expect(port).toBe(80)
        else expect(result.issues.length).toBeGreaterThan(0)
      }),
      { numRuns: 500 },
    )
  })
})
