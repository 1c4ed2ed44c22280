import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keepalived } from '../support.ts'

const GLOBAL = `! Configuration File for keepalived
global_defs {
   notification_email {
     admin
   }
   notification_email_from admin@lb.example
   smtp_server 198.51.100.1
   smtp_connect_timeout 30
   router_id LVS
}
`
const MAIL = [
  'notification_email { }',
  'notification_email_from admin@lb.example',
  'smtp_server 198.51.100.1',
  'smtp_connect_timeout 30',
  'router_id LVS',
]

/** One virtual server in the manner of the samples, with this between its head and its end. */
const served = (block: string, head = '192.0.2.10 80') => `
virtual_server ${head} {
    delay_loop 6
    lb_algo rr
    lb_kind NAT
    persistence_timeout 50
    protocol TCP
${block}
}
`
const real = (checker: string, address = '198.51.100.2 80') =>
  `    real_server ${address} {\n        weight 1\n${checker}\n    }\n`

/** What each of the samples in doc/samples of keepalived shows, in words of our own: name, text, services, what is left out. */
const SAMPLES: readonly (readonly [string, string, number, readonly string[]])[] = [
  [
    'sample',
    GLOBAL +
      served(
        `    sorry_server 198.51.100.200 80\n${real('HTTP_GET {\n url {\n path /t.jsp\n digest 0a\n }\n connect_timeout 3\n retry 3\n delay_before_retry 3\n }')}`,
      ),
    1,
    [...MAIL, 'digest 0a'],
  ],
  [
    'HTTP_GET.port',
    served(real('SSL_GET {\n url {\n path /\n }\n connect_port    444\n }', '198.51.100.2 443'), '192.0.2.10 443'),
    1,
    [],
  ],
  [
    'HTTP_GET.auth',
    served(real('HTTP_GET {\n url {\n path /\n username u\n password p\n status_code 200\n tls_compliant\n }\n }')),
    1,
    ['tls_compliant'],
  ],
  [
    'IPv6',
    `virtual_server_group G {\n    fd00::2-9 80\n    fd00::1   80\n}\n#virtual_server group G {\nvirtual_server fd00::1 80 {\n${real('SMTP_CHECK {\n connect_timeout 3\n retry 3\n helo_name "foo.example"\n\n # host {\n #    connect_port 25\n # }\n }', 'fd00::10 25')}}`,
    1,
    ['virtual_server_group G { }'],
  ],
  ['PING_CHECK', served(real('PING_CHECK {\n\tretry 4\n\t}')), 1, ['PING_CHECK { }']],
  [
    'SMTP_CHECK',
    `global_defs {\n lvs_id LB\n}\n${served(real('SMTP_CHECK {\n connect_timeout 10\n helo_name foo.example\n host {\n connect_ip 198.51.100.2\n }\n host {\n connect_ip  203.0.113.99\n connect_port 587\n bindto 192.0.2.2\n }\n }'))}`,
    1,
    ['lvs_id LB'],
  ],
  ['UDP_CHECK', served(real('UDP_CHECK {\n\t\tconnect_timeout 3\n\t\tretry 3\n!\t\tping_check_off\n }')), 1, []],
  ['ci-linux', served(real('CI-LINUX')), 1, ['CI-LINUX']],
  [
    'conditional_conf',
    '@high net_namespace high\n@low net_namespace low\nvrrp_script c {\n@high\tscript /bin/a\n@low\tscript /bin/b\n interval 1\n}\n',
    0,
    ['@high net_namespace high', '@low net_namespace low', 'vrrp_script c { }', '@high\tscript /bin/a', '@low\tscript /bin/b'],
  ],
  [
    'failover_pool',
    served(
      `  failover_threshold 50\n  failover_up /bin/up\n  failover_down /bin/down\n${real('TCP_CHECK {\n }')}  backup_real_server 203.0.113.1 80 {\n weight 1\n }`,
    ),
    1,
    ['failover_threshold 50', 'failover_up /bin/up', 'failover_down /bin/down', 'backup_real_server 203.0.113.1 80 { }'],
  ],
  ['fwmark', served(real('TCP_CHECK {\n connect_port    80\n }', '198.51.100.2'), 'fwmark 1'), 1, []],
  ['inhibit', served(real('inhibit_on_failure        ! set weight to 0\n TCP_CHECK {\n }')), 1, []],
  ['misc_check', served(real('MISC_CHECK {\n misc_path /bin/check\n!         misc_dynamic\n }')), 1, []],
  [
    'misc_check_arg',
    served(`    nat_mask 255.255.255.0\n${real('MISC_CHECK {\n misc_path "/bin/check arg1 arg2"\n }')}`),
    1,
    ['nat_mask 255.255.255.0'],
  ],
  [
    'quorum',
    served(
      `  alpha\n  omega\n  quorum 7\n  hysteresis 2\n  quorum_up /bin/up\n  quorum_down /bin/down\n${real('TCP_CHECK {\n connect_port    80\n connect_timeout 3\n }')}`,
    ),
    1,
    ['omega'],
  ],
  [
    'status_code',
    served(
      real(
        'SSL_GET {\n url {\n path /\n status_code 200  # comment\n }\n url {\n path /m/\n digest 0b\n status_code 200\n }\n }',
      ),
    ),
    1,
    ['digest 0b'],
  ],
  [
    'virtual_server_group',
    `virtual_server_group G {\n\t192.0.2.1 8080\n\t192.0.2.3-10 80\n\tfwmark 1\n\tfwmark 2\n}\n${served(real('TCP_CHECK {\n }'), 'group G')}`,
    11,
    [],
  ],
  [
    'virtualhost',
    served(
      `    virtualhost www.example    # The string\n                               # in the query\n${real('SSL_GET {\n url { \n path /\n }\n nb_get_retry 3\n }')}`,
    ),
    1,
    [],
  ],
  [
    'vrrp.lvs_syncd',
    `vrrp_sync_group G {\n VI_1\n}\nvrrp_instance VI_1 {\n lvs_sync_daemon_interface eth1\n}\n${served(real('TCP_CHECK {\n }'))}`,
    1,
    ['vrrp_sync_group G { }', 'vrrp_instance VI_1 { }', 'lvs_sync_daemon_interface eth1'],
  ],
  [
    'vrrp.localcheck',
    'vrrp_script c {\n script "</dev/tcp/127.0.0.1/80" # connects\n weight -2\n}\nvrrp_instance VI_1 {\n track_interface {\n eth1 weight 2   # prio = +2 if UP\n }\n track_script {\n c\n }\n}\n',
    0,
    ['vrrp_script c { }', 'vrrp_instance VI_1 { }'],
  ],
  [
    'vrrp.static_ipaddress',
    'static_ipaddress {\n 192.0.2.16 dev eth0 scope link\n}\nstatic_routes {\n src 192.0.2.1 198.51.100.0/24 via 192.0.2.254 dev eth0\n}\nstatic_rules {\n from 192.0.2.0/24 table 1\n}\n',
    0,
    ['static_ipaddress { }', 'static_routes { }', 'static_rules { }'],
  ],
]

describe('what the samples of keepalived show', () => {
  it.each(SAMPLES)('%s', async (_, text, services, leftOut) => {
    const outcome = await keepalived(text)
    expect(outcome.configuration.services).toHaveLength(services)
    expect(outcome.leftOut.map((line) => /^\S+:\d+: (.*?): /s.exec(line)?.[1])).toEqual(leftOut)
  })
})

const WORDS = [
  '0',
  '1',
  '7',
  '65536',
  '99999',
  '-1',
  '2.5',
  'TUN',
  'DR',
  'NAT',
  'type',
  'gue',
  'port',
  '80',
  'on',
  'no',
  '10.0.0.1',
  'fd00::1',
  '0.0.0.0',
  '/a',
  'a b',
  'TCP',
  'UDP',
  'x',
  `\${A}`,
  "'",
  '255.0.255.0',
  'sh',
  'mh',
  'wrr',
  'sip',
  '64',
  '300-200',
  '[',
  '/bin/x',
]
const NAMES = [
  'lb_algo',
  'lb_kind',
  'protocol',
  'persistence_timeout',
  'persistence_granularity',
  'persistence_engine',
  'quorum',
  'hysteresis',
  'quorum_up',
  'sorry_server',
  'ops',
  'sh-port',
  'mh-fallback',
  'alpha',
  'delay_loop',
  'retry',
  'delay_before_retry',
  'connect_timeout',
  'virtualhost',
  'inhibit_on_failure',
  'weight',
  'uthreshold',
  'lthreshold',
  'snmp_name',
  'ip_family',
  'path',
  'status_code',
  'regex',
  'username',
  'helo_name',
  'name',
  'misc_path',
  'misc_timeout',
  'payload',
  'require_reply',
  'connect_ip',
  'connect_port',
  'bindto',
  'fwmark',
  'user',
]
const BLOCKS = [
  'real_server 10.0.1.1 80',
  'real_server 10.0.1.2',
  'TCP_CHECK',
  'HTTP_GET',
  'SSL_GET',
  'SMTP_CHECK',
  'DNS_CHECK',
  'MISC_CHECK',
  'UDP_CHECK',
  'url',
  'host',
]

const line = fc
  .tuple(fc.constantFrom(...NAMES), fc.array(fc.constantFrom(...WORDS), { maxLength: 3 }))
  .map(([name, words]) => `${name} ${words.map((word) => `"${word}"`).join(' ')}`)
const { block } = fc.letrec<{ block: string }>((tie) => ({
  block: fc.oneof(
    { depthSize: 'small' },
    line,
    fc
      .tuple(fc.constantFrom(...BLOCKS), fc.array(tie('block'), { maxLength: 5 }))
      .map(([name, inner]) => `${name} {\n${inner.join('\n')}\n}`),
  ),
}))
const head = fc.constantFrom('10.0.0.1 80', '10.0.0.1', 'fwmark 1', 'fd00::1 53', 'group G', '10.0.0.2 0')

it('whatever stands in a virtual server, the real validation takes what comes out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(head, fc.array(block, { maxLength: 8 })), { maxLength: 3 }), async (servers) => {
      const text = servers.map(([what, inner]) => `virtual_server ${what} {\n${inner.join('\n')}\n}\n`).join('')
      await keepalived(`virtual_server_group G {\n 10.0.0.7-8 80\n fwmark 4\n}\n${text}`)
    }),
  )
})
