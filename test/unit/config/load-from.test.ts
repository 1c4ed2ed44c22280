// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { describe, expect, it } from 'vitest'
import { loadFrom } from '../../../src/config/load-from.ts'
import { NOTHING_BESIDE } from '../../../src/config/read-trace.ts'
import { sourceName } from '../../../src/model/source-spec.ts'
import { JournalSecrets } from '../../../src/store/journal-secrets.ts'
import { complaintsOn, type FakeMachine, fakeReach, loadedOn, loadOn } from './fake-reach.ts'
import { oneService } from './support.ts'

const service = (name: string, listen: string, more = '') => `  - { name: ${name}, listen: "${listen}", backends: []${more} }\n`
const names = async (machine: FakeMachine, text: string, path?: string) =>
  (await loadedOn(machine, text, path)).services.map((each) => each.name)

describe('parameters', () => {
  it('stand in every text of the configuration', async () => {
    const environment = {
      VIP: '10.0.0.1',
      PORT: '80',
      NAME: 'web',
      LEVEL: 'debug',
      AGENT: 'http://127.0.0.1:8500',
      PREFIX: 'lb.',
    }
    const text = `
global: { log_level: "\${env.LEVEL}" }
defaults: { scheduler: "\${env.SCHEDULER:-rr}" }
services:
  - name: \${env.NAME}
    listen: \${env.VIP}:\${env.PORT}
    backends: ["\${env.VIP}:8080", { address: "10.1.0.1:\${env.PORT}" }]
    source: { consul: { service: "\${env.NAME}-\${env.STAGE:-live}" } }
    health_check: { type: http, http: { path: "/\${env.NAME}" } }
catalog:
  - consul: { address: "\${env.AGENT}", prefix: "\${env.PREFIX}" }
    allow: [{ service: "*", listen: ["\${env.VIP}:\${env.PORT}"] }]
`
    const { settings, services, catalogs } = await loadedOn({ environment }, text)
    expect(settings.logLevel).toBe('debug')
    expect(services[0]).toMatchObject({
      name: 'web',
      identity: { address: '10.0.0.1', port: 80 },
      scheduler: 'rr',
      sources: [{ kind: 'consul', service: 'web-live' }],
      checks: [{ probe: { kind: 'http', path: '/web' } }],
    })
    expect([...(services[0]?.backends.keys() ?? [])]).toEqual(['10.0.0.1:8080', '10.1.0.1:80'])
    expect(catalogs[0]).toMatchObject({ prefix: 'lb', allow: [{ listen: [{ firstPort: 80, lastPort: 80 }] }] })
  })

  it('become numbers and truths where those are due, and stay texts where texts are', async () => {
    const environment = { W: '7', YES: 'true', MARK: '9', N: '8080' }
    const machine = { environment, files: { 'p.yaml': 'weight: 3\n' } }
    const text = `
parameters: { files: [p.yaml] }
global: { metrics_enabled: "\${env.YES}", max_probes: "\${env.N}" }
defaults:
  weight: \${weight}
services:
  - { name: "\${env.N}", fwmark: "\${env.MARK}", one_packet: "\${env.YES}", backends: [{ address: "10.1.0.1:0", weight: "\${env.W}" }],
      health_check: { type: tcp, port: "\${env.N}", fall: "\${env.W}" } }
`
    const { settings, services } = await loadedOn(machine, text)
    expect(settings).toMatchObject({ metricsEnabled: true, maxProbes: 8080 })
    expect(services[0]).toMatchObject({ name: '8080', weight: 3, onePacket: true, checks: [{ port: 8080, fall: 7 }] })
    expect([...(services[0]?.backends.values() ?? [])]).toEqual([expect.objectContaining({ weight: 7 })])
  })

  it('of the samples of ipvsctl mean what they mean there', async () => {
    const files = {
      'params.yaml': 'some:\n  ip: "10.5.4.3"\n  port: 1234\n  more:\n    second: 20\n',
      'params.json': '{"some": {"more": {"first": 10}}}',
    }
    const interfaces = { lo: [{ family: 'ipv4', address: '127.0.0.1' }] } as const
    const text = `
parameters: { files: [params.yaml, params.json] }
services:
  - { name: a, listen: "10.0.0.1:\${env.TESTPORT}", backends: [] }
  - { name: b, listen: "\${some.ip}:\${some.port}", backends: ["\${some.ip}:1000"] }
  - { name: c, listen: "\${host.lo}:12345", backends: [] }
  - { name: d, listen: "\${some.more.first}.\${some.more.second}.1.2:1000", backends: [] }
`
    const { services } = await loadedOn({ files, interfaces, environment: { TESTPORT: '80' } }, text)
    expect(services.map(({ identity }) => identity)).toMatchObject([
      { address: '10.0.0.1', port: 80 },
      { address: '10.5.4.3', port: 1234 },
      { address: '127.0.0.1', port: 12345 },
      { address: '10.20.1.2', port: 1000 },
    ])
  })

  it('that nothing resolves are told with their places, all at once', async () => {
    const text = `
services:
  - name: web
    listen: 10.0.0.1:\${env.PORT}
    backends: ["\${host.eth7}:80"]
    source: { file: "lists/\${x.y}.yaml" }
    health_check: { type: http, http: { path: "/\${env.A" } }
`
    expect(await complaintsOn({}, text)).toEqual([
      'c.yaml:4:22: services[0].listen: ${env.PORT} is not in the environment; set the variable for Pointsman, or write a default behind :- within the braces',
      'c.yaml:5:17: services[0].backends[0]: ${host.eth7} is no address of this host; name an interface that is up and has that many addresses, such as ${host.eth0}, or write a default behind :-',
      'c.yaml:6:28: services[0].source.file: ${x.y} is no parameter; write ${env.NAME}, ${host.INTERFACE}, or name documents under parameters; $${ stands for ${ itself, where a shell or another program is meant',
      'c.yaml:7:49: services[0].health_check.http.path: the parameter that begins here has no end; write } behind its name; $${ stands for ${ itself',
    ])
  })

  it('leave dollar signs and keys alone', async () => {
    const text = oneService('health_check: { type: http, http: { path: "/$1/$${x}" } }')
    const { services } = await loadedOn({}, text)
    expect(services[0]?.checks[0]?.probe).toMatchObject({ path: '/$1/${x}' })
    expect(await complaintsOn({ environment: { K: 'weight' } }, oneService('"${env.K}": 5'))).toEqual([
      expect.stringContaining('c.yaml:4:5: services[0]["${env.K}"]: the key ${env.K} is not known here'),
    ])
  })

  it('leave to a shell what is of a shell, in checks and hooks of files that name no documents', async () => {
    const check = 'nc -z $POINTSMAN_ADDRESS ${POINTSMAN_PORT:-8080} && test "${LAG:-0}" -lt 3'
    const hook = 'test "${POINTSMAN_TO:-}" = down && page-oncall ${POINTSMAN_SERVICE}'
    const text = `
global: { hooks: { exec: [/bin/sh, -c, '${hook}'] } }
${oneService(`health_check: { type: exec, exec: { command: [/bin/sh, -c, '${check}'] } }`)}`
    const { hooks, services } = await loadedOn({ environment: { LAG: '5', POINTSMAN_SERVICE: 'x' } }, text)
    expect(JSON.stringify(services[0]?.checks[0]?.probe)).toContain(JSON.stringify(check))
    expect(JSON.stringify(hooks)).toContain(JSON.stringify(hook))
    expect(await complaintsOn({ files: { 'p.yaml': 'a: 1' } }, `parameters: { files: [p.yaml] }${text}`)).toEqual([
      expect.stringContaining(
        '${POINTSMAN_SERVICE} is in no document under parameters; correct the name, or write a default behind :- within the braces; $${ stands for ${ itself',
      ),
    ])
  })

  it('must be quoted within braces of YAML, which is said', async () => {
    expect(await complaintsOn({}, 'services:\n  - { name: a, listen: "10.0.0.1:80", weight: ${env.W}, backends: [] }\n')).toEqual(
      [
        'c.yaml:2:47: a parameter has braces, which YAML takes for a mapping within { } and [ ]; put the value that it is a part of in quotes',
      ],
    )
  })

  it('are expanded within aliases too', async () => {
    const text =
      'defaults: {}\nservices:\n  - &web { name: a, listen: "${env.V}:80", backends: ["${env.V}:8080"] }\n  - { <<: *web, name: b, listen: "10.0.0.2:80" }\n'
    const { services } = await loadedOn({ environment: { V: '10.0.0.1' } }, text)
    expect(services.map(({ backends }) => [...backends.keys()])).toEqual([['10.0.0.1:8080'], ['10.0.0.1:8080']])
  })
})

const NOT_SHOWN = /^p\.yaml:2:\d+: this is not YAML or JSON; correct it here; what stands here is not shown, it may be secret$/

describe('documents', () => {
  const urls = { 'https://inventory.example/p.json': '{"web": {"port": 81}}' }
  const text =
    'parameters: { urls: ["https://${env.HOST}/p.json"] }\nservices:\n  - { name: a, listen: "10.0.0.1:${web.port}", backends: [] }\n'

  it('may be had from a web server whose name is a parameter', async () => {
    const { services } = await loadedOn({ urls, environment: { HOST: 'inventory.example' } }, text)
    expect(services[0]?.identity).toMatchObject({ port: 81 })
  })

  it('that are not to be had are told at their place, without the values of the address', async () => {
    expect(await complaintsOn({ environment: { HOST: 'secret.example' } }, text)).toEqual([
      'c.yaml:1:22: parameters.urls[0]: https://${env.HOST}/p.json: the web server cannot be reached (ECONNREFUSED); look for it',
    ])
    expect(await complaintsOn({}, 'parameters: { files: [p.yaml] }\nservices: []\n', '/etc/pointsman/c.yaml')).toEqual([
      '/etc/pointsman/c.yaml:1:23: parameters.files[0]: /etc/pointsman/p.yaml: there is no such file; look for it',
    ])
  })

  it.each<[string, string]>([
    ['- 1\n', 'p.yaml:1:1: the document is no mapping; write entries such as ports: { web: 8080 }'],
    ...[
      'a: 1\na: s3cret\n',
      'a: 1\npw: *s3cret',
      'a: 1\npw: |s3cret\n',
      'a: 1\npw: [::s3]:c\n',
      'a: 1\npw: !s3cret x\n',
      'a: 1\npw: "\\s3cret"\n',
    ].map((text): [string, string] => [text, expect.stringMatching(NOT_SHOWN)]),
    ['{"a": 1,\n"pw": @s3cret}', expect.stringMatching(NOT_SHOWN)],
    [
      '',
      'p.yaml:1:1: the file is empty; write at least one key; if the file was being written just now, write to a temporary file and rename it',
    ],
  ])('such as %j are refused', async (document, sentence) => {
    const { result } = await loadOn({ files: { 'p.yaml': document } }, 'parameters: { files: [p.yaml] }\nservices: []\n')
    expect(await complaintsOn({ files: { 'p.yaml': document } }, 'parameters: { files: [p.yaml] }\nservices: []\n')).toEqual([
      sentence,
    ])
    expect(JSON.stringify(result)).not.toMatch(/s3c/)
  })

  it.each([
    ['parameters: [x]', 'parameters: a list stands where a mapping is due'],
    ['parameters: { file: [x] }', 'parameters.file: the key file is not known here'],
    ['parameters: { files: [5] }', 'parameters.files[0]: 5 is not text'],
    ['parameters: { urls: ["ftp://x/y"] }', 'parameters.urls[0]: "ftp://x/y" is not an http address'],
    ['parameters: { urls: ["https://u:p4ss@x/y"] }', 'parameters.urls[0]: the address holds a user name or password'],
    ['parameters: { urls: ["${env.U}"] }', 'parameters.urls[0]: what ${env.U} stands for does not fit here'],
    ['parameters: { files: ["${a.b}"] }', 'parameters.files[0]: ${a.b} cannot stand where files and documents are named'],
  ])('%s is refused', async (top, sentence) => {
    const complaints = await complaintsOn({ environment: { U: 'hunter2hunter2' } }, `${top}\nservices: []\n`)
    expect(complaints).toEqual([expect.stringContaining(sentence)])
    expect(complaints.join()).not.toMatch(/p4ss|hunter2/)
  })
})

describe('included files', () => {
  it('bring services and catalogs, in the order of their names, with their own directories and the defaults of the first file', async () => {
    const files = {
      'etc/conf.d/b.yaml': `services:\n${service('b', '10.0.0.2:80', ', source: { file: { path: lists/b.yaml } }')}`,
      'etc/conf.d/a.yaml': `include: [deep/*.yaml]\nservices:\n${service('a', '10.0.0.1:80')}`,
      'etc/conf.d/deep/c.yaml': `services: []\ncatalog:\n  - consul: { address: "http://127.0.0.1:8500" }\n    allow: [{ service: "*", listen: ["10.0.0.0/24:80"] }]\n`,
      'etc/one.yaml': `services:\n${service('one', '10.0.0.4:80')}`,
    }
    const text = `include: [conf.d/*.yaml, one.yaml]\ndefaults: { scheduler: rr }\nservices:\n${service('main', '10.0.0.9:80')}`
    const { services, catalogs } = await loadedOn({ files }, text, 'etc/c.yaml')
    expect(services.map(({ name, scheduler }) => [name, scheduler])).toEqual([
      ['main', 'rr'],
      ['a', 'rr'],
      ['b', 'rr'],
      ['one', 'rr'],
    ])
    expect(services[2]?.sources).toEqual([{ kind: 'file', path: `${process.cwd()}/etc/conf.d/lists/b.yaml` }])
    expect(catalogs[0]?.directory).toBe(`${process.cwd()}/etc/conf.d/deep`)
    expect(catalogs[0]?.defaults).toEqual({ scheduler: 'rr' })
  })

  it('may be all that there is, or none', async () => {
    const files = { 'd/a.yaml': `services:\n${service('a', '10.0.0.1:80')}` }
    expect(await names({ files }, 'include: [d/*.yaml]\n')).toEqual(['a'])
    expect(await names({ files }, 'include: [d/*.json]\n')).toEqual([])
    expect(await names({ files, environment: { D: 'd' } }, 'include: ["${env.D}/*.yaml"]\n', '-')).toEqual(['a'])
  })

  it('are named by every message about them, with the place there', async () => {
    const files = {
      'd/a.yaml': `services:\n${service('a', '10.0.0.1:80', ', weight: 70000')}`,
      'd/b.yaml':
        'services:\n  - name: a\n    listen: 10.0.0.1:80\n    backends: [10.1.0.1:99999]\n    wieght: 5\n    source: { file: "${env.NONE}" }\n',
    }
    const text = `include: [d/*.yaml]\ndefaults: { weight: -1 }\nservices:\n${service('main', '10.0.0.1:80')}`
    expect(await complaintsOn({ files }, text)).toEqual([
      'd/b.yaml:6:22: services[0].source.file: ${env.NONE} is not in the environment; set the variable for Pointsman, or write a default behind :- within the braces',
    ])
    const sentences = await complaintsOn({ files, environment: { NONE: 'x.yaml' } }, text)
    expect(sentences).toEqual([
      'c.yaml:2:21: defaults.weight: -1 is below 0; write a weight from 0 to 65535',
      'd/a.yaml:2:24: services[0].listen: tcp/10.0.0.1:80 is served already by the service at c.yaml:4; remove one of the two, or write another address, port or mark',
      'd/a.yaml:2:61: services[0].weight: 70000 is above 65535; write a weight from 0 to 65535',
      'd/b.yaml:2:11: services[0].name: the name "a" is taken by the service at d/a.yaml:2; write another name',
      'd/b.yaml:3:13: services[0].listen: tcp/10.0.0.1:80 is served already by the service at c.yaml:4; remove one of the two, or write another address, port or mark',
      expect.stringMatching(/^d\/b\.yaml:4:16: services\[0\]\.backends\[0\]: /),
      'd/b.yaml:5:5: services[0].wieght: the key wieght is not known here; did you mean weight?',
    ])
  })

  it.each([
    [
      'include each other',
      'include: [a.yaml]',
      { 'a.yaml': 'include: [b.yaml]', 'b.yaml': 'include: [a.yaml]' },
      'b.yaml:1:11: include[0]: files include each other: a.yaml includes b.yaml includes a.yaml; remove one of these entries',
    ],
    [
      'include the first one',
      'include: [a.yaml]',
      { 'a.yaml': 'include: [c.yaml]' },
      'a.yaml:1:11: include[0]: files include each other: c.yaml includes a.yaml includes c.yaml; remove one of these entries',
    ],
    [
      'include themselves',
      'include: [a.yaml]',
      { 'a.yaml': 'include: [a.yaml]' },
      'a.yaml:1:11: include[0]: files include each other: a.yaml includes a.yaml; remove one of these entries',
    ],
    [
      'come twice',
      'include:\n  - a.yaml\n  - b.yaml',
      { 'a.yaml': 'services: []', 'b.yaml': 'include: [a.yaml]' },
      'b.yaml:1:11: include[0]: a.yaml is included already, at c.yaml:2; keep one of the two',
    ],
    ['are not there', 'include: [a.yaml]', {}, 'c.yaml:1:11: include[0]: a.yaml: there is no such file; look for it'],
    ['have no directory', 'include: [d/*.yaml]', {}, 'c.yaml:1:11: include[0]: d: there is no such directory; create it'],
    [
      'redefine global',
      'include: [a.yaml]',
      { 'a.yaml': 'services: []\nglobal: {}' },
      'a.yaml:2:1: global: global cannot stand in a file that is included; move it to the file that includes the others',
    ],
    [
      'have parameters of their own',
      'include: [a.yaml]',
      { 'a.yaml': 'parameters: { files: [x] }' },
      'a.yaml:1:1: parameters: parameters cannot stand in a file that is included; move it to the file that includes the others',
    ],
    [
      'have other keys',
      'include: [a.yaml]',
      { 'a.yaml': 'servces: []' },
      'a.yaml:1:1: servces: the key servces is not known here; did you mean services?',
    ],
    [
      'are no mapping',
      'include: [a.yaml]',
      { 'a.yaml': '- x' },
      'a.yaml:1:1: a list stands where services are due; write services: with a list of services, or services: []',
    ],
    [
      'have no list',
      'include: [a.yaml]',
      { 'a.yaml': 'services: 7' },
      'a.yaml:1:11: services: a number stands where a list is due; write a list of services, or [] for none',
    ],
    [
      'are not YAML',
      'include: [a.yaml]',
      { 'a.yaml': 'services: []\nservices: []' },
      'a.yaml:2:1: the key is written twice; keep one of the two',
    ],
    [
      'are no list',
      'include: a.yaml',
      {},
      'c.yaml:1:10: include: a text stands where a list is due; write a list of paths, such as [conf.d/*.yaml]',
    ],
  ])('that %s are refused', async (_, text, files: Readonly<Record<string, string>>, sentence) => {
    expect(await complaintsOn({ files: { ...files, 'c.yaml': text } }, `${text}\nservices: []\n`)).toEqual([sentence])
  })

  it('that a pattern stands for twice, or that stand for the file itself, are read once', async () => {
    const files = { 'a.yaml': `services:\n${service('a', '10.0.0.1:80')}`, 'c.yaml': 'read from elsewhere' }
    expect(await names({ files }, 'include: ["*.yaml"]')).toEqual(['a'])
  })

  it('have limits of size each, and of number', async () => {
    const large = `services: []\n#${'x'.repeat(4 * 1024 * 1024)}`
    expect(await complaintsOn({ files: { 'a.yaml': large } }, 'include: [a.yaml]')).toEqual([
      expect.stringMatching(/^a\.yaml: the file has \d+ bytes, more than the 4194304/),
    ])
    const many = Object.fromEntries(Array.from({ length: 1_005 }, (_, index) => [`d/${index}.yaml`, 'services: []']))
    expect(await complaintsOn({ files: many }, 'include: [d/*]')).toEqual([
      'c.yaml:1:11: include[0]: more than 1000 files are included; put several of them into one',
    ])
  })
})

describe('what may be right a moment later', () => {
  const transient = async (machine: FakeMachine, text: string) => {
    const { result } = await loadOn(machine, text)
    return result.ok ? [] : result.issues.map((issue) => issue.transient ?? false)
  }

  it.each<[string, string, readonly boolean[]]>([
    ['an address of an interface', 'services:\n  - { name: a, listen: "${host.eth77}:80", backends: [] }\n', [true]],
    ['a web server', 'parameters: { urls: ["http://x/p"] }\nservices: []\n', [true]],
    ['a directory', 'include: ["d/*/x.yaml"]\nservices: []\n', [true]],
    ['no file', 'include: [x.yaml]\nservices: []\n', [false]],
    ['no variable', 'services:\n  - { name: a, listen: "${env.NONE}:80", backends: ["${host.eth77}:80"] }\n', [false, true]],
  ])('is %s', async (_, text, expected) => {
    expect(await transient({ files: { 'd/a/x.yaml': '' }, unreadable: { 'd/a': 'EIO' } }, text)).toEqual(expected)
  })
})

describe('values from outside', () => {
  const environment = {
    SECRET: 'hunter2hunter2',
    TOKEN: 'tok3ntok3n',
    LONG: 'hunter2'.repeat(20),
    QUOTED: '"hunter2"',
    URL: 'https://me:tok3n@x/hunter2?hunter2',
    CUT: 'tok3n#hunter2?x',
  }

  it.each([
    ['listen: "${env.SECRET}"', 'what ${env.SECRET} stands for does not fit here'],
    ['listen: "10.0.0.1:${env.SECRET}"', 'what ${env.SECRET} stands for does not fit here'],
    ['weight: "${env.SECRET}"', 'what ${env.SECRET} stands for does not fit here'],
    ['scheduler: "${env.SECRET}${env.TOKEN}"', 'what ${env.SECRET} and ${env.TOKEN} stand for does not fit here'],
    ['drain: "${env.SECRET}"', 'what ${env.SECRET} stands for does not fit here'],
    ['source: { http: "x://${env.SECRET}" }', 'what ${env.SECRET} stands for does not fit here'],
    ['source: { http: { url: "https://x/#${env.SECRET}" } }', 'what ${env.SECRET} stands for does not fit here'],
    ['health_check: "${env.SECRET}"', 'what ${env.SECRET} stands for does not fit here'],
    ['health_check: { type: exec, exec: { command: ["${env.SECRET}"] } }', '"${env.SECRET}" is not the whole path of a program'],
    ['health_check: { type: exec, exec: { command: ["${env.LONG}"] } }', '"${env.LONG}..." is not the whole path of a program'],
    ['health_check: { type: exec, exec: { command: ["${env.QUOTED}"] } }', '"${env.QUOTED}" is not the whole path of a program'],
    ['health_check: { type: exec, exec: { command: ["${env.URL}"] } }', '"${env.URL}" is not the whole path of a program'],
    ['health_check: { http: { path: "${env.URL}" } }', 'what ${env.URL} stands for does not fit here'],
    ['health_check: { http: { path: "/${env.CUT}" } }', 'what ${env.CUT} stands for does not fit here'],
    ['backends: ["${env.SECRET}"]', 'what ${env.SECRET} stands for does not fit here'],
    ['backends: "${env.SECRET}"', 'a text stands where a list is due'],
    ['sources: "${env.SECRET}"', 'a text stands where a list is due'],
    ['sources: [{ file: "/${env.SECRET}" }, { file: "/${env.SECRET}" }]', 'file /${env.SECRET} is a source already'],
  ])('are not shown by what is said of %s', async (keys, sentence) => {
    const { result } = await loadOn({ environment }, oneService(keys))
    expect(result.ok ? [] : result.issues.map(({ problem }) => problem)).toContainEqual(expect.stringContaining(sentence))
    expect(JSON.stringify(result)).not.toMatch(/hunter2|tok3n/)
  })

  it('are not in the name of a source, nor in the journal', async () => {
    const text = oneService('source: { http: { url: "https://x/${env.SECRET}/list" } }')
    const [spec] = (await loadedOn({ environment }, text)).services
    const source = spec?.sources[0]
    if (spec === undefined || source === undefined) throw new Error('no source')
    expect(source).toMatchObject({ url: 'https://x/hunter2hunter2/list' })
    expect(sourceName(source)).toBe('http https://x/${env.SECRET}/list')
    const kept = new JournalSecrets().withoutSecrets(spec)
    expect(JSON.stringify(kept)).not.toContain('hunter2')
    expect(kept.sources.map(sourceName)).toEqual([sourceName(source)])
  })

  it('that say where this host is are shown', async () => {
    const interfaces = { lo: [{ family: 'ipv4', address: '127.0.0.1' }] } as const
    expect(await complaintsOn({ interfaces }, oneService('listen: "${host.lo}"'))).toEqual([
      expect.stringContaining('services[0].listen: "127.0.0.1"'),
    ])
  })
})

describe('what was read', () => {
  it('is nothing beside the file where that names nothing', async () => {
    const reach = fakeReach({})
    const { read } = await loadFrom({ path: 'c.yaml', bytes: Buffer.from('services: []') }, {}, reach)
    expect(read).toEqual(NOTHING_BESIDE)
    expect(reach.asked).toEqual([])
  })

  it('is told also where it is wrong, and is equal only where all of it is', async () => {
    const text = 'include: [d/*.yaml]\nparameters: { files: [p.yaml], urls: ["http://x/p"] }\nservices: []\n'
    const machine = { files: { 'd/a.yaml': 'services: 7', 'p.yaml': 'a: 1' }, urls: { 'http://x/p': 'a: 2' } }
    const prints = new Set<string>()
    const fingerprintOn = async (each: FakeMachine) => (await loadOn(each, text)).read.fingerprint
    const { read } = await loadOn(machine, text)
    expect(read.files.map(({ path }) => path).toSorted()).toEqual([`${process.cwd()}/d/a.yaml`, `${process.cwd()}/p.yaml`])
    expect(read.patterns).toEqual([
      {
        pattern: `${process.cwd()}/d/*.yaml`,
        directories: [`${process.cwd()}/d`],
        found: JSON.stringify([`${process.cwd()}/d/a.yaml`]),
      },
    ])
    expect(await fingerprintOn(machine)).toBe(read.fingerprint)
    for (const other of [
      machine,
      { ...machine, files: { ...machine.files, 'd/a.yaml': 'services: 8' } },
      { ...machine, files: { ...machine.files, 'd/b.yaml': 'services: 7' } },
      { ...machine, files: { ...machine.files, 'p.yaml': 'a: 3' } },
      { ...machine, urls: { 'http://x/p': 'a: 3' } },
      { ...machine, urls: {} },
    ])
      prints.add(await fingerprintOn(other))
    expect(prints.size).toBe(6)
  })
})
