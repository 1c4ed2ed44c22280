import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { SETTING_DEFINITIONS } from '../../../src/config/setting-definitions.ts'
import { SYSCTLS } from '../../../src/daemon/doctor/facts.ts'
import { complaints, loaded, warnings } from '../config/support.ts'

const text = (path: string) => readFileSync(join('deploy', path), 'utf8')
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }

/** Whatever the YAML of an example holds. */
interface Node {
  readonly [key: string]: Node
}

describe('the DaemonSet', () => {
  const objects = parseAllDocuments(text('kubernetes/daemonset.yaml')).map((document) => document.toJS() as Node)
  const of = (kind: string) => objects.find((object) => String(object['kind']) === kind) as Node
  const pod = of('DaemonSet')['spec']?.['template']?.['spec'] as Node
  const container = (pod['containers'] as unknown as readonly Node[])[0] as Node

  it('asks nothing of the API server', () => {
    expect(objects.map((object) => String(object['kind']))).toEqual(['Namespace', 'ConfigMap', 'DaemonSet'])
    expect(pod).toMatchObject({ automountServiceAccountToken: false })
    expect(pod).not.toHaveProperty('serviceAccountName')
  })

  it('has the network of the node, two capabilities and nothing else', () => {
    expect(pod).toMatchObject({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' })
    expect(pod).not.toHaveProperty('hostPID')
    expect(pod).not.toHaveProperty('initContainers')
    expect(container['securityContext']).toMatchObject({
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
    })
  })

  it('is alive by /healthz and ready by /readyz, where its configuration serves them', () => {
    const configuration = String(of('ConfigMap')['data']?.['pointsman.yaml'])
    const { admin } = loaded(configuration).settings
    const probe = (name: string) => container[name]?.['httpGet'] as unknown as { host: string; port: number; path: string }
    for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe'])
      expect({ address: probe(name).host, port: probe(name).port }).toEqual(admin)
    expect([probe('startupProbe').path, probe('livenessProbe').path, probe('readinessProbe').path]).toEqual([
      '/healthz',
      '/healthz',
      '/readyz',
    ])
    expect(warnings(configuration)).toEqual([])
  })

  it('keeps its record on the node, and mounts what it declares', () => {
    const volumes = pod['volumes'] as unknown as readonly Node[]
    const mounts = container['volumeMounts'] as unknown as readonly Node[]
    expect(mounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name))
    const state = volumes.find(({ name }) => String(name) === 'state')
    expect(state?.['hostPath']).toEqual({ path: SETTING_DEFINITIONS.state_dir.initial, type: 'DirectoryOrCreate' })
  })

  it('runs the version that this is', () => {
    expect(container).toMatchObject({ image: `pointsman:${version}` })
  })

  it('selects the pods that it makes', () => {
    const { selector, template } = of('DaemonSet')['spec'] as Node
    expect(template?.['metadata']?.['labels']).toMatchObject(selector?.['matchLabels'] as object)
  })
})

describe('the compose file', () => {
  const { services, networks, volumes } = parse(text('compose/compose.yaml'), { merge: true }) as Node

  it('names files that are there', () => {
    const mounted = Object.values(services ?? {}).flatMap((service) => (service['volumes'] ?? []) as unknown as readonly string[])
    const files = mounted.map((mount) => mount.split(':')[0] ?? '').filter((source) => source.startsWith('.'))
    expect(files).toHaveLength(3)
    expect(files.filter((file) => !existsSync(join('deploy/compose', file)))).toEqual([])
    const build = services?.['pointsman']?.['build']
    expect(existsSync(join('deploy/compose', String(build?.['context']), String(build?.['dockerfile'])))).toBe(true)
  })

  it('gives the director the right that it needs, and a place for its state', () => {
    expect(services?.['pointsman']).toMatchObject({ cap_add: ['NET_ADMIN'], read_only: true })
    expect(services?.['pointsman']).not.toHaveProperty('privileged')
    expect(JSON.stringify(services?.['pointsman']?.['volumes'])).toContain('state:/var/lib/pointsman')
    expect(volumes).toHaveProperty('state')
  })

  it('gives everybody the address by which the others know it', () => {
    const addresses = new Map(
      Object.entries(services ?? {}).map(([name, service]) => [name, String(service['networks']?.['lan']?.['ipv4_address'])]),
    )
    expect(new Set(addresses.values()).size).toBe(addresses.size)
    expect(networks).toHaveProperty('lan')
    const configuration = text('compose/pointsman.yaml')
    expect(configuration).toContain(`http://${addresses.get('consul')}:8500`)
    expect(configuration).toContain(`${addresses.get('dns')}:53`)
    expect(configuration).toContain(`listen: ${addresses.get('pointsman')}:80`)
    for (const backend of ['web1', 'web2']) expect(text('compose/consul/services.json')).toContain(`"${addresses.get(backend)}"`)
    for (const backend of ['web2', 'web3'])
      expect(text('compose/coredns/web.example.zone')).toMatch(new RegExp(`^${backend} .* A +${addresses.get(backend)}$`, 'm'))
  })

  it('has a configuration that is valid', () => {
    expect(complaints(text('compose/pointsman.yaml'))).toEqual([])
    expect(loaded(text('compose/pointsman.yaml')).services.map(({ name }) => name)).toEqual(['by-consul', 'by-dns'])
  })
})

describe('the Nomad job', () => {
  const job = text('nomad/pointsman.nomad.hcl')

  it('has a configuration that is valid', () => {
    const configuration = /<<YAML\n([\s\S]*?)\nYAML\n/.exec(job)?.[1] ?? ''
    expect(loaded(configuration).services).toHaveLength(1)
    expect(warnings(configuration)).toEqual([])
  })

  it('closes each brace that it opens', () => {
    const code = job.replace(/<<YAML[\s\S]*?\nYAML\n/, '').replaceAll(/#.*|"[^"]*"/g, '')
    let depth = 0
    for (const brace of code.match(/[{}]/g) ?? []) {
      depth += brace === '{' ? 1 : -1
      expect(depth).toBeGreaterThanOrEqual(0)
    }
    expect(depth).toBe(0)
  })

  it('runs one on each node in its network, reloads by signal, and is ready by /readyz', () => {
    expect(job).toMatch(/^ {2}type += "system"$/m)
    expect(job).toMatch(/mode += "host"/)
    expect(job).toMatch(/change_mode += "signal"\n +change_signal += "SIGHUP"/)
    expect(job).toMatch(/path += "\/readyz"/)
    expect(job).toContain('"--state-dir", "/var/lib/pointsman"')
  })
})

describe('the snippets', () => {
  it('set sysctls that the doctor looks at, those that change more than IPVS only as a comment', () => {
    const lines = text('sysctl.d/50-pointsman.conf').split('\n')
    const set = lines
      .flatMap((line) => /^(#?)-?(net\.\S+) = (\d)$/.exec(line)?.slice(1) ?? [])
      .filter((_, index) => index % 3 === 1)
    expect(set.toSorted()).toEqual([...SYSCTLS].toSorted())
    expect(lines.filter((line) => /^-?net/.test(line) && !line.startsWith('-net.ipv4.vs.'))).toEqual([])
  })

  it('load IPVS alone', () => {
    expect(
      text('modules-load.d/pointsman.conf')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#')),
    ).toEqual(['ip_vs'])
  })
})

describe('the unit', () => {
  const unit = text('systemd/pointsman.service')

  it('gives two capabilities, keeps the state where it is by default, and waits for READY', () => {
    expect(unit).toMatch(/^Type=notify$/m)
    expect(unit).toMatch(/^WatchdogSec=60s$/m)
    expect([...unit.matchAll(/^(?:Ambient|CapabilityBounding)\w+=(.*)$/gm)].map(([, list]) => list)).toEqual([
      'CAP_NET_ADMIN CAP_NET_RAW',
      'CAP_NET_ADMIN CAP_NET_RAW',
    ])
    const directory = /^StateDirectory=(.*)$/m.exec(unit)?.[1]
    expect(`/var/lib/${directory}`).toBe(SETTING_DEFINITIONS.state_dir.initial)
  })

  it('gives the daemon time for two passes between signs of life, so that the watchdog costs no read of the table', () => {
    const watchdog = Number(/^WatchdogSec=(\d+)s$/m.exec(unit)?.[1])
    expect(watchdog / 2).toBeGreaterThanOrEqual(Number.parseInt(SETTING_DEFINITIONS.resync_interval.initial, 10))
  })
})

test('the configuration of the Debian package is valid, and programs nothing', () => {
  const { services } = loaded(text('debian/pointsman.yaml'))
  expect(services).toEqual([])
  expect(warnings(text('debian/pointsman.yaml'))).toEqual([])
})

test('each folder of deploy is named in docs/install.md or docs/watching.md', () => {
  const pages = ['docs/install.md', 'docs/watching.md'].map((page) => readFileSync(page, 'utf8')).join('\n')
  expect(readdirSync('deploy').filter((name) => !pages.includes(`deploy/${name}`))).toEqual([])
})
