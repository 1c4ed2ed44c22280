/** Which namespaces, links, addresses and sysctls make a topology: pure, as one shell script. */

import type { Addresses, Host } from './topology.ts'

export interface Plan {
  readonly client: Host
  readonly director: Host
  readonly realServers: readonly Host[]
  readonly virtual: readonly Addresses[]
  readonly namespaces: readonly string[]
  /** For `sh -e`, in the lab's own namespace. */
  readonly script: string
}

export interface Sizes {
  readonly realServers: number
  readonly virtualAddresses: number
}

/** Commands for one namespace: lines for `ip -batch`, then sysctls under /proc/sys/net. */
interface Setup {
  readonly netns: string
  readonly ip: readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
  readonly shell?: readonly string[]
}

const host = (name: string, role: string, ipv4: string, ipv6: string): Host => ({
  role,
  netns: `${name}-${role}`,
  addresses: { ipv4, ipv6 },
})

const count = (n: number): readonly number[] => Array.from({ length: n }, (_, index) => index + 1)

/** Before any link exists: no address is tentative, so all can be used at once. */
const everywhere = { 'ipv6/conf/all/accept_dad': '0', 'ipv6/conf/default/accept_dad': '0' }

/** Many short connections need many ports. */
const clientSysctls = { 'ipv4/ip_local_port_range': '1024 65535', 'ipv4/tcp_tw_reuse': '1' }

const directorSysctls = {
  'ipv4/ip_forward': '1',
  'ipv6/conf/all/forwarding': '1',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/default/send_redirects': '0',
}

/** A real server of direct routing and tunnels holds the VIP silently and takes packets from any device. */
const silentSysctls = {
  'ipv4/conf/all/arp_ignore': '1',
  'ipv4/conf/all/arp_announce': '2',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
}

/** A shell in a namespace; busybox where the lab has it, for speed. */
const enter = (netns: string): string => `$BUSYBOX nsenter --net=/run/netns/${netns} $BUSYBOX sh`

function setUp({ netns, ip, sysctls, shell = [] }: Setup): string {
  const writes = Object.entries(sysctls).map(([key, value]) => `echo '${value}' >/proc/sys/net/${key}`)
  const inside = [...writes, "$IP -batch - <<'IP'", 'link set lo up', ...ip, 'IP', ...shell].join('\n')
  return `${enter(netns)} -e <<'NS'\n${inside}\nNS\n`
}

function create(namespaces: readonly string[]): string {
  const early = Object.entries(everywhere).map(([key, value]) => `echo ${value} >/proc/sys/net/${key}`)
  const added = ipBatch(namespaces.map((netns) => `netns add ${netns}\n`).join(''))
  return added + namespaces.map((netns) => `${enter(netns)} -c '${early.join('; ')}'\n`).join('')
}

const veth = (from: string, device: string, to: string, peer: string): string =>
  `link add ${device} netns ${from} type veth peer name ${peer} netns ${to}\n`

const ipBatch = (lines: string): string => `$IP -batch - <<'IP'\n${lines}IP\n`

const up = (device: string, ipv4: string, ipv6: string): readonly string[] => [
  `addr add ${ipv4} dev ${device}`,
  `addr add ${ipv6} dev ${device} nodad`,
  `link set ${device} up`,
]

// The path, for busybox has an `ip` of its own.
const prologue = 'export IP=/sbin/ip BUSYBOX=; [ ! -x /run/lab/busybox ] || BUSYBOX=/run/lab/busybox\n'

/** Client 10.1.0.2 - director 10.1.0.1, 10.2.N.1 - real server N 10.2.N.2; VIPs 10.9.0.N on the director; fd00 likewise. */
export function planRouted(name: string, sizes: Sizes): Plan {
  const client = host(name, 'client', '10.1.0.2', 'fd00:1::2')
  const director = host(name, 'director', '10.1.0.1', 'fd00:1::1')
  const numbers = count(sizes.realServers)
  const realServers = numbers.map((n) => host(name, `rs${n}`, `10.2.${n}.2`, `fd00:2:${n}::2`))
  const virtual = count(sizes.virtualAddresses).map((n) => ({ ipv4: `10.9.0.${n}`, ipv6: `fd00:9::${n}` }))
  const namespaces = [client, director, ...realServers].map(({ netns }) => netns)

  const links = [
    veth(client.netns, 'eth0', director.netns, 'eth0'),
    ...realServers.map(({ netns }, index) => veth(director.netns, `eth${index + 1}`, netns, 'eth0')),
  ]
  const setups: Setup[] = [
    {
      netns: director.netns,
      sysctls: directorSysctls,
      ip: [
        ...up('eth0', '10.1.0.1/24', 'fd00:1::1/64'),
        ...numbers.flatMap((n) => up(`eth${n}`, `10.2.${n}.1/24`, `fd00:2:${n}::1/64`)),
        'link add vip0 type dummy',
        'link set vip0 up',
        ...virtual.flatMap(({ ipv4, ipv6 }) => [`addr add ${ipv4}/32 dev vip0`, `addr add ${ipv6}/128 dev vip0 nodad`]),
      ],
    },
    {
      netns: client.netns,
      sysctls: clientSysctls,
      ip: [...up('eth0', '10.1.0.2/24', 'fd00:1::2/64'), 'route add default via 10.1.0.1', 'route add ::/0 via fd00:1::1'],
    },
    ...realServers.map(({ netns }, index) => ({
      netns,
      sysctls: {},
      ip: [
        ...up('eth0', `10.2.${index + 1}.2/24`, `fd00:2:${index + 1}::2/64`),
        `route add default via 10.2.${index + 1}.1`,
        `route add ::/0 via fd00:2:${index + 1}::1`,
      ],
    })),
  ]
  const script = prologue + create(namespaces) + ipBatch(links.join('')) + setups.map(setUp).join('')
  return { client, director, realServers, virtual, namespaces, script }
}

/** The kernel makes these by itself with their modules; IPVS's tunnel packets reach the server through them. */
const tunnelDevices = ['tunl0', 'ip6tnl0', 'sit0', 'gre0', 'ip6gre0']
const tunnelModules = 'ipip ip6_tunnel sit ip_gre ip6_gre fou fou6'

/** The UDP port on which the real servers of a bridge topology take GUE packets. */
export const guePort = 6080

/** All on 10.1.0.0/24: client .2, director .1, real server N .(10+N), VIPs .(100+N); fd00:1:: likewise. */
export function planBridge(name: string, sizes: Sizes): Plan {
  const at = (role: string, last: number) => host(name, role, `10.1.0.${last}`, `fd00:1::${last}`)
  const client = at('client', 2)
  const director = at('director', 1)
  const realServers = count(sizes.realServers).map((n) => at(`rs${n}`, 10 + n))
  const virtual = count(sizes.virtualAddresses).map((n) => ({ ipv4: `10.1.0.${100 + n}`, ipv6: `fd00:1::${100 + n}` }))
  const hosts = [client, director, ...realServers]
  const bridge = `${name}-link`

  const links = hosts.map(({ netns, role }) => veth(netns, 'eth0', bridge, role))
  const own = ({ addresses }: Host) => up('eth0', `${addresses.ipv4}/24`, `${addresses.ipv6}/64`)
  const setups: Setup[] = [
    {
      netns: bridge,
      sysctls: {},
      ip: [
        'link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
        'link set bridge up',
        ...hosts.flatMap(({ role }) => [`link set ${role} master bridge`, `link set ${role} up`]),
      ],
    },
    { netns: client.netns, sysctls: clientSysctls, ip: own(client) },
    {
      netns: director.netns,
      sysctls: directorSysctls,
      ip: [
        ...own(director),
        // Not preferred: else the kernel takes the VIP as the source of tunnel packets.
        ...virtual.flatMap(({ ipv4, ipv6 }) => [
          `addr add ${ipv4}/32 dev eth0`,
          `addr add ${ipv6}/128 dev eth0 nodad preferred_lft 0`,
        ]),
      ],
    },
    ...realServers.map((server) => ({
      netns: server.netns,
      sysctls: silentSysctls,
      ip: [
        ...own(server),
        ...virtual.flatMap(({ ipv4, ipv6 }) => [`addr add ${ipv4}/32 dev lo`, `addr add ${ipv6}/128 dev lo nodad`]),
        ...tunnelDevices.map((device) => `link set ${device} up`),
        `fou add port ${guePort} gue`,
        `fou add port ${guePort} gue -6`,
      ],
      shell: tunnelDevices.map(
        (device) => `[ ! -e /proc/sys/net/ipv4/conf/${device} ] || echo 0 >/proc/sys/net/ipv4/conf/${device}/rp_filter`,
      ),
    })),
  ]
  const namespaces = [...hosts.map(({ netns }) => netns), bridge]
  const script = `${prologue}modprobe -a ${tunnelModules}\n${create(namespaces)}${ipBatch(links.join(''))}${setups.map(setUp).join('')}`
  return { client, director, realServers, virtual, namespaces, script }
}
