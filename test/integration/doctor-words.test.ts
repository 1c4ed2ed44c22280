/**
 * Lines of the doctor whose cure is words, or a command that needs no IPVS, in namespaces of this machine: each is broken, what is printed is done
 * (commands word for word, words as a reader would take them), and the line is ok.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/addresses/link-of-four.ts'
import { type Ailment, ailment, behind, commandOf, expectIll, expectWell, lineOf, NOBODY } from '../support/doctor.ts'
import { DoctorsDirector, namespacesHere } from './doctor-director.ts'

const RIGHTS = ['--inh-caps=+net_admin,+net_raw', '--ambient-caps=+net_admin,+net_raw']
const WITH_RIGHTS = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...RIGHTS]
const WEB = { name: 'web', listen: '10.77.9.9:80', backends: ['10.77.0.2:80'] }

const SETTINGS: readonly Ailment[] = [
  {
    what: 'an admin address of another host',
    line: /^no interface of this host has the address of 192\.0\.2\.1:9095$/,
    verdict: 'fail',
    well: /^127\.0\.0\.1:9095 is free$/,
  },
  {
    what: 'an interface that is not there',
    line: /^this network namespace has no interface nope0, which named names$/,
    verdict: 'fail',
    well: /^every interface that the configuration names is there$/,
  },
  {
    what: 'a source address that leaves with a quorum',
    line: /^snat_ip of translated has the address of passing, which leaves this host/,
    verdict: 'warn',
    well: /^snat_ip of translated is on this host$/,
  },
  {
    what: 'backends behind a router',
    line: /^10\.78\.0\.2 of far is behind a router: whether replies to snat_ip 10\.77\.0\.1 come here cannot be seen$/,
    verdict: 'warn',
    well: /^10\.77\.0\.3 of far need no route: snat_ip 10\.77\.0\.1 is in their network$/,
  },
  {
    what: 'an address that is not answered for',
    line: /^10\.77\.9\.2 on lo is not answered for on eth0 \(arp_ignore is set\)/,
    verdict: 'warn',
    well: /^CAP_NET_RAW is there/,
  },
  {
    what: 'an IPv6 address on lo',
    line: /^2001:db8:99::1 of hidden on lo is answered for on no link/,
    verdict: 'warn',
    well: /^CAP_NET_RAW is there/,
  },
  {
    what: 'a source of probes that is not here',
    line: /^probes of probed through its address \(via: vip\) find nothing out: no interface that is up has 10\.77\.0\.99/,
    verdict: 'fail',
    well: /^their answers are let in/,
  },
]

const KERNEL: readonly Ailment[] = [
  {
    what: 'a strict reverse path on all interfaces',
    line: /^net\.ipv4\.conf\.all\.rp_filter is 1: /,
    verdict: 'warn',
    well: /^net\.ipv4\.conf\.all\.rp_filter = 2$/,
  },
  {
    what: 'IPv6 forwarding where it costs the default route',
    line: /^net\.ipv6\.conf\.all\.forwarding is 0, so the replies of six \(nat\) do not pass this host$/,
    verdict: 'fail',
    well: /^net\.ipv6\.conf\.all\.forwarding = 1$/,
  },
  {
    what: 'a source address that IPv6 backends do not find',
    line: /^snat_ip 2001:db8:77::9 is in the network of 2001:db8:77::2 of six and on another interface/,
    verdict: 'warn',
    well: /^2001:db8:77::2 of six need no route: snat_ip 2001:db8:77::9 is in their network$/,
  },
  {
    what: 'a filter that drops some',
    line: /^INPUT, nftables table inet site, chain input may drop what clients send to tcp\/10\.77\.9\.9:80 and 1 more: /,
    verdict: 'warn',
    well: /^INPUT, clients to the services: 1 chain lets them pass$/,
  },
]

/** A router advertisement to all nodes, with a lifetime of half an hour. */
const ADVERTISE = `perl -MSocket=:all -e '
  socket(my $s, AF_INET6, SOCK_RAW, 58) or die "socket: $!";
  setsockopt($s, 41, 18, pack("i", 255)) and setsockopt($s, 41, 17, pack("i", $ARGV[0])) or die "setsockopt: $!";
  send($s, pack("CCnCCnNN", 134, 0, 0, 64, 0, 1800, 0, 0), 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"))) or die "send: $!";
' $(ip -o link show eth0 | cut -d: -f1)`

describe.skipIf(!namespacesHere)('on a host with neighbours', { timeout: 180_000 }, () => {
  let director: DoctorsDirector

  beforeAll(async () => {
    director = await DoctorsDirector.start()
  })
  afterAll(async () => void (await director?.[Symbol.asyncDispose]()))

  test('settings that ask for what is not here, and as the words want them', async () => {
    const to = (vip: string, interfaceName: string) => ({ listen: `${vip}:80`, virtual_address: { interface: interfaceName } })
    const services = (well: boolean) => [
      { ...WEB, name: 'named', listen: '10.77.0.41:80', virtual_address: well ? true : { interface: 'nope0' } },
      { ...WEB, name: 'passing', listen: '10.77.0.50:80', virtual_address: { announce_when: well ? 'always' : 'quorum' } },
      { ...WEB, name: 'translated', full_nat: true, snat_ip: '10.77.0.50' },
      {
        ...WEB,
        name: 'far',
        listen: '10.77.9.8:80',
        full_nat: true,
        snat_ip: '10.77.0.1',
        backends: [`10.7${well ? '7.0.3' : '8.0.2'}:80`],
      },
      { ...WEB, name: 'deaf', ...to('10.77.9.2', well ? 'eth0' : 'lo') },
      { name: 'hidden', ...to('[2001:db8:99::1]', well ? 'eth0' : 'lo'), backends: ['[2001:db8:77::2]:80'] },
      { ...WEB, name: 'probed', listen: '10.77.9.3:80', forwarding: 'direct', health_check: { type: 'tcp', via: 'vip' } },
    ]
    const prepared = 'net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.accept_local=1 net.ipv4.conf.all.rp_filter=2'
    await director.paste(`sysctl -w ${prepared}`)
    const ill = await director.configured(services(false), { admin: '192.0.2.1:9095', probe_source: ['10.77.0.99'] })
    expectIll(await director.looksAt(ill), SETTINGS)
    const well = await director.configured(services(true), { admin: '127.0.0.1:9095', probe_source: ['10.77.0.1'] })
    expectWell(await director.looksAt(well), SETTINGS)
  })

  test('what the kernel of this namespace is told, and tells after the commands', async () => {
    const six = {
      name: 'six',
      listen: '[2001:db8:99::2]:80',
      full_nat: true,
      snat_ip: '2001:db8:77::9',
      backends: ['[2001:db8:77::2]:80'],
    }
    const config = await director.configured([WEB, six])
    await director.paste(`sysctl -w net.ipv4.conf.all.rp_filter=1 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.accept_ra=1
      ip address add 2001:db8:77::9/128 dev lo nodad
      nft 'add table inet site; add chain inet site input { type filter hook input priority filter; }; add rule inet site input limit rate over 5/second drop'`)
    const advertised = async () => {
      await director.link.run('other', ADVERTISE)
      return director.paste('ip -6 route show default')
    }
    expect(await until(advertised, (routes) => routes.includes('proto ra'))).toContain('proto ra')
    const ill = await director.looksAt(config)
    expectIll(ill, KERNEL)
    expect(lineOf(ill, KERNEL[1] as Ailment)).toMatchObject({
      run: 'sysctl -w net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.all.forwarding=1',
    })
    for (const ailment of KERNEL) await director.paste(commandOf(lineOf(ill, ailment)))
    expectWell(await director.looksAt(config), KERNEL)
    expect(await director.paste('ip -6 route show default')).toContain('proto ra')
    await director.paste('nft delete table inet site')
  })

  test('another user, who sees less and may do less', async () => {
    const admin = (port: number) =>
      director.configured([{ ...WEB, virtual_address: { interface: 'eth0' } }], { admin: `127.0.0.1:${port}` })
    const lacking = [
      ailment('no right to the table', /^CAP_NET_ADMIN is missing/, 'fail', /^CAP_NET_ADMIN is there$/),
      ailment(
        'no right to ask neighbours',
        /^CAP_NET_RAW is missing: 10\.77\.9\.9 of web is not added to eth0/,
        'fail',
        /^CAP_NET_RAW is there/,
      ),
      ailment(
        'filters out of sight',
        /^what filters there are cannot be seen: .*CAP_NET_ADMIN/,
        'warn',
        /^INPUT, clients to the services: /,
      ),
    ]
    const low = ailment(
      'a low port',
      /^127\.0\.0\.1:81 cannot be used: ports below 1024 need root/,
      'fail',
      /^127\.0\.0\.1:1081 is free$/,
    )
    const taken = [
      ailment(
        'a listener',
        /^127\.0\.0\.1:1081 is taken by a process that cannot be seen from here$/,
        'fail',
        /^127\.0\.0\.1:1081 is free$/,
      ),
      ailment('a holder', /^a process that does not say who it is holds the table$/, 'warn', /^nobody holds it$/),
    ]
    const first = await director.looksAt(await admin(81), { under: NOBODY })
    expectIll(first, [...lacking, low])
    const listens = `$SIG{TERM} = "DEFAULT"; $| = 1;
      socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("\\0pointsman/table")) && listen(S, 5) or die $!;
      $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:1081", Listen => 5) or die $!; print "listening\\n"; sleep`
    const config = await admin(1081)
    expectWell(await director.looksAt(config, { under: WITH_RIGHTS }), [...lacking, low])

    const taker = await director.beside(['perl', '-MIO::Socket', '-MSocket', '-e', listens], /listening/)
    expectIll(await director.looksAt(config, { under: NOBODY }), taken)
    const asRoot = await director.looksAt(config)
    const named = { line: /^perl \(process \d+\) (listens on 127\.0\.0\.1:1081|holds the table)/ }
    const ended = once(taker, 'close')
    // Where the tests run under a unit of systemd, its cure would stop them too.
    const command = commandOf(lineOf(asRoot, named))
    await director.paste(command.startsWith('systemctl') ? `kill ${taker.pid}` : command)
    await ended
    expectWell(await director.looksAt(config, { under: NOBODY }), taken)
  })

  test('a container, from which not every process is seen: no command before somebody looks', async () => {
    const inside = behind('sysctl -qw net.ipv4.conf.all.rp_filter=0', ['--pid', '--fork', '--mount-proc', '--kill-child'])
    const ailments = [
      ailment(
        'a lost address',
        /^10\.77\.9\.9 \(web\) is on no interface of this host/,
        'warn',
        /^every interface that the configuration names/,
      ),
      ailment(
        'a lost source',
        /^10\.77\.0\.60 \(snat_ip of web\) is on no interface/,
        'fail',
        /^snat_ip of web is on this host$/,
      ),
      ailment(
        'a trace of kube-proxy',
        /^the interface kube-ipvs0 is there/,
        'warn',
        /^none found among the processes that can be seen from here$/,
      ),
    ]
    const service = { ...WEB, full_nat: true, snat_ip: '10.77.0.60' }
    await director.paste('ip link add kube-ipvs0 type bridge')
    const config = await director.configured([service])
    const ill = await director.looksAt(config, { under: inside })
    expectIll(ill, ailments)
    for (const ailment of ailments) expect(lineOf(ill, ailment)).not.toHaveProperty('run')
    for (const ailment of ailments.slice(0, 2)) expect(lineOf(ill, ailment)?.cure).toContain('may run out of sight')
    expect(lineOf(ill, ailments[2] as Ailment)?.cure).toContain('"ip link delete kube-ipvs0" ends this')
    await director.paste('ip link delete kube-ipvs0')
    const mended = { ...service, virtual_address: true, snat_ip: '10.77.0.1' }
    expectWell(await director.looksAt(await director.configured([mended]), { under: inside }), ailments)
  })

  test('kube-proxy in the mode ipvs, in another one, and gone for good; kube-router with and without its balancer', async () => {
    const config = await director.configured([WEB])
    const [proxy, router, trace] = [
      ailment(
        'kube-proxy',
        /^kube-proxy \(process \d+\) runs in this network namespace/,
        'fail',
        /^kube-proxy \(process \d+\) runs in another mode than IPVS/,
      ),
      ailment('kube-router', /^kube-router \(process \d+\) runs in this network namespace/, 'fail', /./),
      ailment('addresses', /^the interface kube-ipvs0 carries addresses \(1\)/, 'fail', /runs in another mode than IPVS/),
    ] as const
    const named = (...words: string[]) => director.beside(['bash', '-c', `echo up; exec -a ${words.join(' ')}`], /up/)
    await director.paste('ip link add kube-ipvs0 type bridge && ip address add 10.96.0.1/32 dev kube-ipvs0')
    const kubeProxy = await named('kube-proxy', 'sleep', '1000')
    const kubeRouter = await named('kube-router', 'perl', '-e', "'sleep 1000'", '--', '--run-service-proxy')
    const both = await director.looksAt(config)
    expectIll(both, [proxy, router])
    // Where it is told to run: in another namespace neither is named.
    const elsewhere = await director.looksAt(config, { host: 'other' })
    expect(elsewhere.filter(({ check }) => check === 'other writer')).toMatchObject([{ verdict: 'ok' }])
    kubeProxy.kill('SIGKILL')
    kubeRouter.kill('SIGKILL')
    await Promise.all([once(kubeProxy, 'close'), once(kubeRouter, 'close')])
    const gone = await director.looksAt(config)
    expectIll(gone, [trace])
    await director.paste('ip link delete kube-ipvs0')
    await named('kube-proxy', 'sleep', '1000')
    await named('kube-router', 'perl', '-e', "'sleep 1000'", '--', '--run-service-proxy=false')
    expectWell(await director.looksAt(config), [proxy, router, trace])
  })
})
