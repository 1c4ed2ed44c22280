import { describe, expect, it } from 'vitest'
import type { CheckSpec } from '../../../../src/model/probe-spec.ts'
import { keepalived, virtualServer } from '../support.ts'

/** The checks that a checker of the one real server comes to. */
async function checksOf(checker: string, above = '') {
  const { configuration, leftOut, text } = await virtualServer(`${above}\nreal_server 10.0.1.1 80 {\n${checker}\n}`)
  return { checks: configuration.services[0]?.checks ?? [], leftOut, text }
}

async function checkOf(checker: string, above = ''): Promise<CheckSpec> {
  const { checks, leftOut } = await checksOf(checker, above)
  expect(leftOut).toEqual([])
  expect(checks).toHaveLength(1)
  return checks[0] as CheckSpec
}

describe('times', () => {
  it('are those of keepalived where nothing is said', async () => {
    expect(await checkOf('TCP_CHECK { }')).toMatchObject({
      probe: { kind: 'tcp' },
      interval: 60_000,
      fastInterval: 1_000,
      timeout: 5_000,
      fall: 2,
      rise: 1,
      initial: 'unknown',
    })
    expect(await checkOf('HTTP_GET { url { path / } }')).toMatchObject({ fastInterval: 3_000, fall: 2 })
    expect(await checkOf('DNS_CHECK { }')).toMatchObject({ fall: 4 })
    expect((await checkOf('DNS_CHECK { }')).fastInterval).toBeUndefined()
    expect(await checkOf('MISC_CHECK { misc_path /bin/x }')).toMatchObject({ fall: 1, timeout: 60_000 })
  })

  it('of the virtual server are for its real servers, and those of these for their checkers', async () => {
    const above = 'delay_loop 6\nconnect_timeout 2.5\nretry 1\nalpha'
    expect(await checkOf('delay_before_retry 2\nretry 4\nTCP_CHECK { }', above)).toMatchObject({
      interval: 6_000,
      timeout: 2_500,
      fall: 5,
      fastInterval: 2_000,
      initial: 'down',
    })
    expect(await checkOf('retry 4\nTCP_CHECK { retry 2\n alpha off }', above)).toMatchObject({ fall: 3, initial: 'unknown' })
    expect(await checkOf('HTTP_GET { url { path / }\n nb_get_retry 3 }', above)).toMatchObject({ fall: 4 })
  })

  it('between tries are kept also where they are longer than those between checks', async () => {
    expect(await checkOf('TCP_CHECK { delay_before_retry 5 }', 'delay_loop 1')).toMatchObject({
      interval: 1_000,
      fastInterval: 5_000,
    })
  })

  it.each([
    ['TCP_CHECK { }', 'delay_loop 7200', { interval: 3_600_000 }, /:2: delay_loop 7200: it is no number of seconds from 0.1/],
    ['TCP_CHECK { delay_before_retry 0\n retry 4000 }', '', { fastInterval: 100, fall: 1000 }, /:5: retry 4000: it is no number/],
    ['TCP_CHECK { connect_timeout 5s }', '', { timeout: 5_000 }, /connect_timeout 5s: it is no number of seconds/],
    ['MISC_CHECK { misc_path /bin/x\n misc_timeout 4000 }', '', { timeout: 3_600_000 }, /misc_timeout 4000: it is no number/],
  ])('%s stay within what a configuration may say, and that is told', async (checker, above, expected, sentence) => {
    const { checks, leftOut } = await checksOf(checker, above)
    expect(checks).toMatchObject([expected])
    expect(leftOut).toEqual([expect.stringMatching(sentence)])
  })
})

describe('who is asked', () => {
  it('is the server itself, or whoever is said', async () => {
    expect((await checkOf('TCP_CHECK { connect_ip 10.0.1.1\n connect_port 80 }')).port).toBeUndefined()
    expect(await checkOf('TCP_CHECK { connect_ip 10.0.2.1\n connect_port 81\n bindto 10.0.0.9\n fwmark 5 }')).toMatchObject({
      address: '10.0.2.1',
      port: 81,
      sourceAddress: '10.0.0.9',
      fwmark: 5,
    })
  })

  it('is the same question for servers on different ports', async () => {
    const { configuration, leftOut } = await virtualServer(
      'real_server 10.0.1.1 8080 { TCP_CHECK { connect_port 80 } }\nreal_server 10.0.1.2 80 { TCP_CHECK { connect_port 80 } }',
    )
    expect(configuration.services[0]?.checks).toMatchObject([{ port: 80 }])
    expect(leftOut).toEqual([])
  })

  it('at its own port is the same question for all', async () => {
    const { configuration, leftOut } = await virtualServer(
      'real_server 10.0.1.1 8080 { TCP_CHECK { connect_port 8080 } }\nreal_server 10.0.1.2 8081 { TCP_CHECK { } }',
    )
    expect(configuration.services[0]?.checks).toHaveLength(1)
    expect(configuration.services[0]?.checks[0]?.port).toBeUndefined()
    expect(leftOut).toEqual([])
  })

  it.each(['TCP_CHECK { connect_port 8080 }', 'TCP_CHECK { }'])(
    'is asked at its port where packets keep another one: %s',
    async (checker) => {
      const { configuration } = await virtualServer(`lb_kind DR\nreal_server 10.0.1.1 8080 { ${checker} }`)
      const [service] = configuration.services
      expect(service?.checks).toMatchObject([{ port: 8080 }])
      const own = await virtualServer('lb_kind DR\nreal_server 10.0.1.1 8080 { TCP_CHECK { connect_port 80 } }')
      expect(own.configuration.services[0]?.checks[0]?.port).toBeUndefined()
    },
  )

  it('of a firewall mark is the port that is said', async () => {
    const { configuration } = await keepalived(
      'virtual_server fwmark 1 {\n real_server 10.0.1.1 { TCP_CHECK { connect_port 80 } }\n}',
    )
    expect(configuration.services[0]?.checks).toMatchObject([{ port: 80 }])
  })
})

describe('servers that are checked in different ways', () => {
  const server = (number: number, checker: string) => `real_server 10.0.1.${number} 80 {\n${checker}\n}\n`

  it('are asked as most of them were, and the others are listed', async () => {
    const odd = server(1, 'HTTP_GET { url { path /odd } }')
    const usual = [2, 3].map((number) => server(number, 'HTTP_GET { url { path /usual } }')).join('')
    const { configuration, leftOut } = await virtualServer(odd + usual)
    expect(configuration.services[0]?.checks).toMatchObject([{ probe: { path: '/usual' } }])
    expect(leftOut).toEqual([
      expect.stringMatching(/conf:3: url \{ \}: 10\.0\.1\.1:80 was checked in another way than 10\.0\.1\.2:80/),
    ])
  })

  it('or not at all are asked like the others, with a word to the reader', async () => {
    const { text, leftOut } = await virtualServer(server(1, 'TCP_CHECK { }') + server(2, ''))
    expect(text).toContain('# keepalived asked nothing of 10.0.1.2:80; here all backends are asked alike.')
    expect(leftOut).toEqual([])
  })
})

describe('pages', () => {
  it('are asked for by path, host and status; every one must pass', async () => {
    const { checks, leftOut } = await checksOf(
      'HTTP_GET { url { path /a\n status_code 200 300-302 }\n url { path /b\n virtualhost b.example\n regex "^o+k$" }\n http_protocol 1.1 }',
      'virtualhost www.example',
    )
    expect(checks.map(({ probe }) => probe)).toMatchObject([
      {
        kind: 'http',
        path: '/a',
        host: 'www.example',
        status: [
          { from: 200, to: 200 },
          { from: 300, to: 302 },
        ],
      },
      { kind: 'http', path: '/b', host: 'b.example', status: [{ from: 200, to: 299 }], body: { by: 'pattern', value: '^o+k$' } },
    ])
    expect(leftOut).toEqual([])
  })

  it('over TLS are asked for without looking at the certificate, as keepalived does', async () => {
    const { text, checks, leftOut } = await checksOf(
      'SSL_GET { enable_sni\n url { path /\n virtualhost www.example } }',
      'virtualhost x',
    )
    expect(checks).toMatchObject([{ probe: { tls: { verify: false, serverName: 'www.example' } } }])
    expect(text).toContain('# keepalived looks at no certificate.')
    expect(leftOut).toEqual([])
  })

  it('over TLS get the certificate of SSL, where it has its key', async () => {
    const server = 'virtual_server 10.0.0.1 443 {\n real_server 10.0.1.1 443 { SSL_GET { url { path / } } }\n}\n'
    const whole = await keepalived(`SSL {\n ca /etc/ca.pem\n certificate /etc/c.pem\n key /etc/k.pem\n}\n${server}`)
    expect(whole.configuration.services[0]?.checks).toMatchObject([
      { probe: { tls: { certFile: '/etc/c.pem', keyFile: '/etc/k.pem' } } },
    ])
    expect(whole.leftOut).toEqual([expect.stringMatching(/conf:2: ca \/etc\/ca\.pem: keepalived loads it and verifies nothing/)])
    const half = await keepalived(`SSL {\n certificate /etc/c.pem\n password secret\n}\n${server}`)
    expect(half.leftOut).toHaveLength(2)
    expect(half.leftOut.join()).not.toContain('secret')
  })

  it('may need a password, which is written into the check and never told', async () => {
    const { checks, text, leftOut } = await checksOf('HTTP_GET { url { path /\n username me\n password "my pass"\n digest 0f } }')
    const header = `Basic ${Buffer.from('me:my pass').toString('base64')}`
    expect(checks).toMatchObject([{ probe: { headers: { Authorization: header } } }])
    expect(`${text}${leftOut.join()}`).not.toContain('my pass')
    expect(leftOut).toHaveLength(1)
  })

  it.each([
    ['url { path /\n digest 0f }', /digest 0f: a page is not compared by its MD5 sum.*; write body/],
    ['url { path /\n regex "a(?<=b" }', /regex.*the pattern is none of JavaScript/],
    ['url { path /\n regex a\n regex_options caseless }', /regex_options caseless: options of PCRE/],
    ['url { path /\n tls_compliant }', /tls_compliant/],
    ['url { path / }\n http_protocol 1.0', /http_protocol 1\.0: requests are of version 1\.1/],
    ['url { path / }\n fast_recovery', /fast_recovery/],
    ['url { path / }\n bind_if eth0', /bind_if eth0: .*source_address/],
    ['connect_timeout 3', /HTTP_GET \{ \}: it names no url/],
    ['url { path "no slash" }', /health_check of tcp.*: "no slash" does not begin with a slash/],
  ])('%j is listed', async (block, sentence) => {
    const { leftOut } = await checksOf(`HTTP_GET {\n${block}\n}`)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('that must not match are carried over', async () => {
    const check = await checkOf('HTTP_GET { url { path /\n regex error\n regex_no_match } }')
    expect(check.probe).toMatchObject({ body: { by: 'pattern', value: 'error', not: true } })
  })
})

describe('other kinds', () => {
  it('mail servers: one check for each host', async () => {
    const { checks, leftOut } = await checksOf(
      'SMTP_CHECK { helo_name "foo.example"\n host { connect_ip 10.0.1.1 }\n host { connect_ip 10.0.2.1\n connect_port 587\n bindto 10.0.0.9 } }',
    )
    expect(checks).toMatchObject([
      { probe: { kind: 'smtp', helo: 'foo.example' } },
      { probe: { kind: 'smtp' }, address: '10.0.2.1', port: 587, sourceAddress: '10.0.0.9' },
    ])
    expect(checks[0]?.address).toBeUndefined()
    expect(leftOut).toEqual([])
    expect((await checkOf('SMTP_CHECK { }')).probe).toEqual({ kind: 'smtp', helo: 'localhost' })
  })

  it('name servers', async () => {
    expect((await checkOf('DNS_CHECK { }')).probe).toMatchObject({ kind: 'dns', name: '.', type: 'SOA' })
    expect((await checkOf('DNS_CHECK { name www.example\n type a }')).probe).toMatchObject({ name: 'www.example', type: 'A' })
    expect((await checkOf('DNS_CHECK { type DNSKEY }')).probe).toMatchObject({ name: '.', type: 'DNSKEY' })
  })

  it.each<[string, string[]]>([
    ['/usr/bin/check', ['/usr/bin/check']],
    ['"/usr/bin/check 10.0.0.1 \'two words\'"', ['/usr/bin/check', '10.0.0.1', 'two words']],
    ['"/usr/bin/check | grep -q ok"', ['/bin/sh', '-c', '/usr/bin/check | grep -q ok']],
    // A shell knows what this means, and a configuration would take it for a parameter.
    [`"/usr/bin/check \${NAME}"`, ['/bin/sh', '-c', `/usr/bin/check \${NAME}`]],
  ])('programs: %s', async (path, command) => {
    expect((await checkOf(`MISC_CHECK { misc_path ${path} }`)).probe).toEqual({
      kind: 'exec',
      command,
      dynamic: false,
    })
  })

  it('programs have their time, their user and their say about the weight', async () => {
    const { checks } = await checksOf('MISC_CHECK { misc_path /bin/x\n misc_timeout 7\n misc_dynamic\n user checker }')
    expect(checks).toMatchObject([{ probe: { dynamic: true, user: 'checker' }, timeout: 7_000 }])
    const { configuration, leftOut } = await keepalived(
      'global_defs {\n script_user scripts\n}\nvirtual_server 10.0.0.1 80 {\n real_server 10.0.1.1 80 { MISC_CHECK { misc_path /bin/x } }\n}',
    )
    expect(configuration.services[0]?.checks).toMatchObject([{ probe: { user: 'scripts' } }])
    expect(leftOut).toEqual([
      expect.stringMatching(/conf:2: script_user scripts: only a Pointsman that is root can run a check as/),
    ])
  })

  it('datagrams, with bytes to send and to expect', async () => {
    expect((await checkOf('UDP_CHECK { }')).probe).toMatchObject({ kind: 'udp', send: 'pointsman' })
    const { probe } = await checkOf('UDP_CHECK { payload Ab12f 3\n require_reply 0a x5 7X XX }')
    const [send, pattern] = probe.kind === 'udp' ? [probe.send, new RegExp(probe.expect?.value ?? '')] : ['', /x/]
    expect(Buffer.from(send, 'latin1')).toEqual(Buffer.from([0xab, 0x12, 0x0f, 0x03]))
    for (const answer of ['\x0a\x05\x70\x00', '\x0a\xf5\x7f\xff more']) expect(pattern.test(answer)).toBe(true)
    for (const answer of ['\x0b\x05\x70\x00', '\x0a\x06\x70\x00', '\x0a\x05\x80\x00', '\x0a\x05\x70'])
      expect(pattern.test(answer)).toBe(false)
    expect((await checkOf('UDP_CHECK { require_reply }')).probe).toMatchObject({ expect: { by: 'pattern' } })
  })

  it.each([
    ['PING_CHECK { retry 4 }', /PING_CHECK \{ \}: there is no probe by ICMP; write health_check/],
    ['BFD_CHECK { name b }', /there is no BFD here/],
    ['FILE_CHECK { track_file f }', /no file sets weights; write exec/],
    ['CI-LINUX', /CI-LINUX: nothing is known of it here/],
    ['MISC_CHECK { }', /MISC_CHECK \{ \}: it names no program/],
    ['MISC_CHECK { misc_path check.sh }', /health_check of tcp.*"check\.sh" is not the whole path of a program/],
    [
      'MISC_CHECK { misc_path /bin/x\n user a a }',
      /user a a: only a Pointsman that is root can run a check as a; run it as root/,
    ],
    ['MISC_CHECK { misc_path /bin/x\n user a b }', /as a, and its group is that of \/etc\/passwd, not b; run it as root/],
    ['UDP_CHECK { require_reply zz }', /require_reply \*\*\*/],
    ['UDP_CHECK { min_reply_length 4 }', /lengths of answers are not compared/],
    ['TCP_CHECK { log_all_failures }', /log_all_failures/],
  ])('%j is listed', async (checker, sentence) => {
    const { leftOut } = await checksOf(checker)
    expect(leftOut).toHaveLength(1)
    expect(leftOut[0]).toMatch(sentence)
  })

  it('where nothing is left to ask, nobody is asked', async () => {
    expect((await checksOf('PING_CHECK { }')).checks).toEqual([])
    expect((await checksOf('MISC_CHECK { misc_path check.sh }')).checks).toEqual([])
  })
})
