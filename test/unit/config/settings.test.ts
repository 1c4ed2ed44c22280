import { describe, expect, it } from 'vitest'
import type { SettingName } from '../../../src/config/configuration.ts'
import { SETTING_NAMES, variableOf } from '../../../src/config/setting-definitions.ts'
import { FakeKernel } from '../../support/fake-kernel.ts'
import { complaints, loaded, warnings } from './support.ts'

const globals = (keys: string) => `global: { ${keys} }\nservices: []\n`

describe('a setting', () => {
  it('comes from a flag before a variable, a variable before the file, the file before the default', () => {
    const environment = { POINTSMAN_LOG_LEVEL: 'warn', POINTSMAN_RESYNC_INTERVAL: '40s', PATH: '/bin' }
    const text = globals('log_level: debug, resync_interval: 50s, metrics_path: /stats')
    const settle = (overrides: object) => loaded(text, overrides).settings
    expect(settle({})).toMatchObject({ logLevel: 'debug', resyncInterval: 50_000, metricsPath: '/stats', onExit: 'keep' })
    expect(settle({ environment })).toMatchObject({ logLevel: 'warn', resyncInterval: 40_000, metricsPath: '/stats' })
    expect(settle({ environment, flags: { log_level: 'error' } })).toMatchObject({ logLevel: 'error', resyncInterval: 40_000 })
    expect(settle({ environment: { POINTSMAN_LOG_LEVEL: '' }, flags: { log_level: undefined } })).toMatchObject({
      logLevel: 'debug',
    })
  })

  it.each<[SettingName, string, object]>([
    ['log_level', 'silent', { logLevel: 'silent' }],
    ['log_format', 'json', { logFormat: 'json' }],
    ['admin', '[::1]:9095', { admin: { address: '::1', port: 9095 } }],
    ['admin', ':9095', { admin: { address: '::', port: 9095 } }],
    ['admin', 'localhost:9095', { admin: { address: '127.0.0.1', port: 9095 } }],
    ['admin', 'off', { admin: 'off' }],
    ['metrics_enabled', 'false', { metricsEnabled: false }],
    ['metrics_path', '/a/b', { metricsPath: '/a/b' }],
    ['status_page', 'false', { statusPage: false }],
    ['admin_allowed_hosts', 'Lb1.example, lb_2', { adminAllowedHosts: ['lb1.example', 'lb_2'] }],
    ['admin_allowed_hosts', 'none', { adminAllowedHosts: [] }],
    ['resync_interval', '1m30s', { resyncInterval: 90_000 }],
    ['on_exit', 'drain', { onExit: 'drain' }],
    ['state_dir', '/srv/../var/state', { stateDir: '/var/state' }],
    ['kernel_deadline', '500ms', { kernelDeadline: 500 }],
    ['per_backend_metrics', 'false', { perBackendMetrics: false }],
    ['log_file', '/var/log/../log/p.log', { logFile: '/var/log/p.log' }],
    ['log_max_size', '7', { logMaxSize: 7 }],
    ['log_keep', '3', { logKeep: 3 }],
    ['traffic_log_file', '/var/log/t.log', { trafficLogFile: '/var/log/t.log' }],
    ['metrics_node_ipvs', 'true', { metricsNodeIpvs: true }],
    ['max_probes', '50', { maxProbes: 50 }],
    ['probe_threads', '16', { probeThreads: 16 }],
    ['watch_settle', '0', { watchSettle: 0 }],
    ['watch_poll', '5s', { watchPoll: 5000 }],
    ['instance', 'edge_2', { instance: 'edge_2' }],
    ['manage_sysctls', 'true', { manageSysctls: true }],
    ['manage_firewall', 'true', { manageFirewall: true }],
  ])('%s is %j from the file, a variable and a flag alike', (name, text, expected) => {
    const written = text === 'true' || text === 'false' || /^[1-9]\d*$/.test(text) ? text : JSON.stringify(text)
    expect(loaded(globals(`${name}: ${written}`)).settings).toMatchObject(expected)
    expect(loaded('services: []', { environment: { [variableOf(name)]: text } }).settings).toMatchObject(expected)
    expect(loaded('services: []', { flags: { [name]: text } }).settings).toMatchObject(expected)
  })

  it.each<[SettingName, string, string]>([
    ['log_level', 'loud', '"loud" is not known; write trace, debug, info, warn, error, fatal or silent'],
    ['metrics_enabled', 'yes', '"yes" is not true or false; write true or false'],
    ['metrics_enabled', '1', '"1" is not true or false; write true or false'],
    ['metrics_path', 'metrics', '"metrics" is not a path; write a path that begins with a slash, such as /metrics'],
    [
      'admin_allowed_hosts',
      'lb1.example:9095',
      '"lb1.example:9095" is not a host name; write names with commas between them, such as lb1.example, lb2.example, or none',
    ],
    [
      'admin_allowed_hosts',
      'a,,b',
      '"" is not a host name; write names with commas between them, such as lb1.example, lb2.example, or none',
    ],
    ['metrics_path', '/healthz', '/healthz is served already; write another path, such as /metrics'],
    ['resync_interval', '12abc', '"12abc" is not a duration; write a duration from 1s to 24h, such as 5s, 500ms or 1m30s'],
    ['resync_interval', '1e3', '"1e3" is not a duration; write a duration from 1s to 24h, such as 5s, 500ms or 1m30s'],
    ['resync_interval', '0x10', '"0x10" is not a duration; write a duration from 1s to 24h, such as 5s, 500ms or 1m30s'],
    ['resync_interval', '30', '30 has no unit; write 30s for seconds or 30ms for milliseconds'],
    ['resync_interval', '0', '0 is below 1s; write a duration from 1s to 24h'],
    ['resync_interval', '-1s', '-1s is negative; write a duration from 1s to 24h'],
    ['admin', '127.0.0.1', '"127.0.0.1" has no port; write an address and a port, such as 127.0.0.1:9095, or off'],
    ['admin', '127.0.0.1:0', 'port 0 cannot be asked for; write an address and a port, such as 127.0.0.1:9095, or off'],
    [
      'admin',
      'host.example:9095',
      '"host.example" is a name where an IP address is due; write an address and a port, such as 127.0.0.1:9095, or off',
    ],
    [
      'max_probes',
      'many',
      '"many" is not a number; write a number of probes from 1 to 100000, without quotes or other characters',
    ],
    ['max_probes', '0', '0 is below 1; write a number of probes from 1 to 100000'],
    ['probe_threads', '17', '17 is above 16; write a number of threads from 0 to 16'],
    ['on_exit', 'delete', '"delete" is not known; write keep, drain or remove'],
    ['state_dir', 'state', '"state" is not an absolute path; write the directory from the root, such as /var/lib/pointsman'],
  ])('%s=%s names the variable and the flag', (name, text, sentence) => {
    expect(complaints('services: []', { environment: { [variableOf(name)]: text } })).toEqual([
      `${variableOf(name)}: ${sentence}`,
    ])
    const flag = `--${name.replaceAll('_', '-')}`
    expect(complaints('services: []', { flags: { [name]: text } })).toEqual([`${flag}: ${sentence}`])
  })

  it.each([
    ['log.log', '"log.log" is not an absolute path'],
    ['/var/log/', '"/var/log/" is a directory'],
  ])('the log file cannot be %s', (text, problem) => {
    const remedy = 'write the file from the root, such as /var/log/pointsman/pointsman.log, or off'
    expect(complaints('services: []', { flags: { log_file: text } })).toEqual([`--log-file: ${problem}; ${remedy}`])
  })

  it('of the log may stand together under log, and what only ezlb knows has no effect', () => {
    const text = globals('log: { level: warn, file: /var/log/p.log, max_size: 7, keep: 2, max_backups: 3 }')
    expect(loaded(text).settings).toMatchObject({ logLevel: 'warn', logFile: '/var/log/p.log', logMaxSize: 7, logKeep: 2 })
    expect(warnings(text)).toEqual([
      expect.stringMatching(/global\.log\.max_backups: .*no effect; use log\.max_size and log\.keep$/),
    ])
    const nowhere = warnings(globals('log: { max_size: 7, keep: 2 }'))
    expect(nowhere.map((sentence) => sentence.match(/global\.log\.\w+/)?.[0])).toEqual(['global.log.max_size', 'global.log.keep'])
    expect(complaints(globals('log_keep: 1, log: { keep: 2 }'))).toEqual([
      expect.stringMatching(/log\.keep and log_keep say the same thing; keep log_keep and remove log\.keep$/),
    ])
  })

  it('is complained about together with the rest of the file, after it', () => {
    const overrides = { environment: { POINTSMAN_LOG_LEVEL: 'loud' }, flags: { on_exit: 'stay' } }
    expect(complaints(globals('resync_interval: 30'), overrides)).toEqual([
      'pointsman.yaml:1:28: global.resync_interval: 30 has no unit; write 30s for seconds or 30ms for milliseconds',
      'POINTSMAN_LOG_LEVEL: "loud" is not known; write trace, debug, info, warn, error, fatal or silent',
      '--on-exit: "stay" is not known; write keep, drain or remove',
    ])
  })

  it('warns of a variable that looks misspelled and leaves others alone', () => {
    expect(
      warnings('services: []', { environment: { POINTSMAN_LOG_LEVLE: 'x', POINTSMAN_FAILPOINT: 'y', LOG_LEVEL: 'z' } }),
    ).toEqual(['POINTSMAN_LOG_LEVLE: the variable is not known and has no effect; did you mean POINTSMAN_LOG_LEVEL?'])
  })

  it('is known by twenty-four names', () => {
    expect(SETTING_NAMES).toHaveLength(24)
    expect(complaints(globals(SETTING_NAMES.map((name) => `${name}: []`).join(', ')))).toHaveLength(24)
  })
})

describe('global.snat', () => {
  const snat = (keys: string) => globals(`snat: { ${keys} }`)

  it('says only what is written', () => {
    expect(loaded(globals('')).snat).toEqual({})
    expect(loaded(snat('')).snat).toEqual({})
    expect(loaded(snat('by: auto')).snat).toEqual({})
    expect(loaded(snat('by: iptables')).snat).toEqual({ by: 'iptables' })
    expect(loaded(snat('port_range: { from: 20000, to: 29999 }')).snat).toEqual({ ports: { first: 20_000, last: 29_999 } })
  })

  it.each([
    ['port_range: { from: 20000 }', 'the port range has no beginning or no end'],
    ['port_range: { from: 2000, to: 1000 }', 'the port range 2000-1000 ends before it begins'],
    ['port_range: { from: 2000, to: 2254 }', 'the port range has 255 ports; write at least 256 ports'],
    ['port_range: { from: 0, to: 2000 }', '0 is below 1'],
  ])('%s is refused', (keys, problem) => {
    expect(complaints(snat(keys))).toEqual([expect.stringContaining(problem)])
  })
})

describe('global.ipvs', () => {
  const ipvs = (keys: string) => globals(`ipvs: { ${keys} }`)

  it('says only what is written', () => {
    expect(loaded(ipvs('')).ipvs).toEqual({})
    expect(loaded(ipvs('tcp_timeout: 15m, udp_timeout: 30s')).ipvs).toEqual({ timeouts: { tcp: 900, udp: 30 } })
    expect(loaded(ipvs('sync_daemons: []')).ipvs).toEqual({ syncDaemons: [] })
    expect(
      loaded(
        ipvs(
          'tcp_fin_timeout: 1s, sync_daemons: [{ role: master, interface: eth0 }, { role: backup, interface: eth0, id: 255, maximum_length: 1400, group: "ff02::81", port: 8848, ttl: 3 }]',
        ),
      ).ipvs,
    ).toEqual({
      timeouts: { tcpFin: 1 },
      syncDaemons: [
        { role: 'master', interface: 'eth0', id: 0 },
        { role: 'backup', interface: 'eth0', id: 255, maximumLength: 1400, group: 'ff02::81', port: 8848, ttl: 3 },
      ],
    })
  })

  it.each([
    ['tcp_timeout: 900', '1:32: global.ipvs.tcp_timeout: 900 has no unit; write 900s for seconds or 900ms for milliseconds'],
    ['udp_timeout: 0s', '1:32: global.ipvs.udp_timeout: 0s is below 1s; write a duration from 1s to 596h31m23s'],
    [
      'udp_timeout: 1500ms',
      '1:32: global.ipvs.udp_timeout: 1500ms is not whole seconds, which is what the kernel counts in; write a duration from 1s to 596h31m23s',
    ],
    [
      'sync_daemons: [{ role: master }]',
      '1:34: global.ipvs.sync_daemons[0]: the sync daemon has no interface; write interface: and the name of a network interface',
    ],
    [
      'sync_daemons: [{ interface: eth0 }]',
      '1:34: global.ipvs.sync_daemons[0]: the sync daemon has no role; write role: master or role: backup',
    ],
    [
      'sync_daemons: [{ role: slave, interface: eth0 }]',
      '1:42: global.ipvs.sync_daemons[0].role: "slave" is not known; write master or backup',
    ],
    [
      'sync_daemons: [{ role: master, interface: eth0, id: 256 }]',
      '1:71: global.ipvs.sync_daemons[0].id: 256 is above 255; write an id from 0 to 255',
    ],
    [
      'sync_daemons: [{ role: master, interface: a-very-long-name }]',
      '1:61: global.ipvs.sync_daemons[0].interface: "a-very-long-name" has 16 bytes; write the name of a network interface, such as eth0; the kernel takes 15 at most',
    ],
    ...['eth 0', 'eth0/1', 'eth0:1', '..', ' eth0'].map((name) => [
      `sync_daemons: [{ role: master, interface: "${name}" }]`,
      `1:61: global.ipvs.sync_daemons[0].interface: "${name}" cannot be the name of an interface; write the name of a network interface, such as eth0, without blanks, slashes and colons`,
    ]),
    [
      'sync_daemons: [{ role: master, interface: ääääääää }]',
      '1:61: global.ipvs.sync_daemons[0].interface: "ääääääää" has 16 bytes; write the name of a network interface, such as eth0; the kernel takes 15 at most',
    ],
    ...['10.0.0.1', '223.255.255.255', '240.0.0.1', 'fe80::81', 'all-hosts', '224.0.0.81:8848'].map((group) => [
      `sync_daemons: [{ role: master, interface: eth0, group: "${group}" }]`,
      `1:74: global.ipvs.sync_daemons[0].group: "${group}" is not a multicast address; write one from 224.0.0.0 to 239.255.255.255, or an IPv6 one that begins with ff`,
    ]),
    [
      'sync_daemons: [{ role: master, interface: a }, { role: master, interface: b }]',
      '1:66: global.ipvs.sync_daemons[1]: the kernel runs one master daemon only; keep one of the two',
    ],
  ])('%s is refused', (keys, sentence) => {
    expect(complaints(ipvs(keys))).toEqual([`pointsman.yaml:${sentence}`])
  })
})

describe('the keys of ezlb', () => {
  it('stand for ours', () => {
    expect(loaded(globals('cleanup_on_exit: true')).settings.onExit).toBe('remove')
    expect(loaded(globals('cleanup_on_exit: false')).settings.onExit).toBe('keep')
    expect(loaded(globals('admin_address: "127.0.0.1:9095"')).settings.admin).toEqual({ address: '127.0.0.1', port: 9095 })
    expect(loaded(globals('admin_address: ""')).settings.admin).toBe('off')
    expect(loaded(globals('log: { level: error }')).settings.logLevel).toBe('error')
  })

  it('do not stand beside ours', () => {
    expect(complaints(globals('on_exit: keep, cleanup_on_exit: true'))).toEqual([
      'pointsman.yaml:1:26: global.cleanup_on_exit: cleanup_on_exit and on_exit say the same thing; keep on_exit and remove cleanup_on_exit',
    ])
    expect(complaints(globals('admin: off, admin_address: ""'))).toHaveLength(1)
    expect(complaints(globals('log_level: info, log: { level: info }'))).toEqual([
      'pointsman.yaml:1:35: global.log.level: log.level and log_level say the same thing; keep log_level and remove log.level',
    ])
  })

  it('say so where they have no effect', () => {
    expect(warnings(globals('log: { home: logs, traffic: { interval: 5s } }'))).toEqual([
      'pointsman.yaml:1:18: global.log.home: log.home has no effect: the log goes to standard output; leave rotation to what collects it, such as journald, or name a log.file',
      'pointsman.yaml:1:41: global.log.traffic.interval: log.traffic.interval has no effect: traffic_log of each service decides; write traffic_log: 15s at a service, or in defaults',
    ])
    expect(warnings(globals('log: { traffic: { enabled: true } }'))).toEqual([])
    expect(warnings(globals('log: { traffic: { enabled: false } }'))).toHaveLength(1)
  })

  it('keep the limits of ezlb', () => {
    expect(complaints(globals('log: { traffic: { interval: 4s } }'))).toEqual([
      'pointsman.yaml:1:39: global.log.traffic.interval: 4s is below 5s; write a duration from 5s to 24h',
    ])
  })
})

describe('the largest message of a sync daemon', () => {
  const sized = (daemon: string, length: number) =>
    globals(`ipvs: { sync_daemons: [{ ${daemon}, interface: eth0, maximum_length: ${length} }] }`)

  it.each([
    ['role: backup', 1023, '1024 to 65507'],
    ['role: backup, group: "ff02::81"', 65_488, '1024 to 65487'],
    ['role: master, group: "ff02::81"', 65_488, '1 to 65487'],
  ])('that the kernel would change in silence is refused: %s, %i', (daemon, length, range) => {
    expect(complaints(sized(daemon, length))).toEqual([
      expect.stringMatching(
        `sync_daemons\\[0\\]\\.maximum_length: ${length} is outside of .*; write a number of bytes from ${range}, or leave it out$`,
      ),
    ])
  })

  it.each([
    ['role: backup', 1024, 65_507],
    ['role: backup, group: "ff02::81"', 1024, 65_487],
    ['role: master', 1, 65_507],
    ['role: master, group: "ff02::81"', 1, 65_487],
  ])('that the kernel takes as it is stays: %s, %i and %i', async (daemon, least, most) => {
    for (const length of [least, most]) {
      const [desired] = loaded(sized(daemon, length)).ipvs.syncDaemons ?? []
      expect(desired?.maximumLength).toBe(length)
      const kernel = new FakeKernel()
      if (desired !== undefined) kernel.tamper({ kind: 'start-sync-daemon', daemon: desired })
      expect(await kernel.readSyncDaemons()).toMatchObject([{ maximumLength: length }])
    }
  })
})
