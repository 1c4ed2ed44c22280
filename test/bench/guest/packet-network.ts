/** A client that the kernel itself sends packets from (pktgen), a director and a server that counts what reaches it: three namespaces on two cables. */

import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKEND_NETWORK, SERVICE_NETWORK } from '../packet-plan.ts'

export const DIRECTOR = 'bench-director'
const CLIENT = 'bench-client'
const SERVER = 'bench-server'
export const SERVICE_PORT = 53
const BACKEND_PORT = 5353

export { BACKEND_PORT }

/** Milliseconds in which what was sent last arrives. */
const ARRIVAL = 300
/** Seconds after which the director forgets a connection, and milliseconds until all are forgotten. */
const FORGET = 1
const FORGOTTEN = 4_000

export function sh(command: string, netns?: string, input?: string): string {
  const argv = netns === undefined ? ['sh', '-ec', command] : ['ip', 'netns', 'exec', netns, 'sh', '-ec', command]
  const [program = '', ...args] = argv
  return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...(input !== undefined && { input }) })
}

export interface Burst {
  readonly packets: number
  /** Services that the packets go to, from the first number to before the last. */
  readonly from: string
  readonly to: string
  /** Every packet from another port and to any of the services, so that each is a connection. */
  readonly scattered: boolean
}

export function buildPacketNetwork(): void {
  removePacketNetwork()
  sh('modprobe -a ip_vs ip_vs_rr pktgen veth nf_conntrack; sysctl -qw net.netfilter.nf_conntrack_max=1000000')
  for (const netns of [CLIENT, DIRECTOR, SERVER]) sh(`ip netns add ${netns}; ip -n ${netns} link set lo up`)
  sh(`ip link add eth0 netns ${CLIENT} type veth peer name eth0 netns ${DIRECTOR}`)
  sh(`ip link add eth1 netns ${DIRECTOR} type veth peer name eth0 netns ${SERVER}`)
  sh('ip addr add 10.1.0.2/24 dev eth0; ip link set eth0 up', CLIENT)
  sh('ip addr add 10.2.0.2/24 dev eth0; ip link set eth0 up', SERVER)
  // ip_vs has sysctls of a namespace once it is asked there.
  sh(
    `ip addr add 10.1.0.1/24 dev eth0; ip addr add 10.2.0.1/24 dev eth1; ip link set eth0 up; ip link set eth1 up
      ip route add local ${SERVICE_NETWORK} dev lo; ip route add ${BACKEND_NETWORK} via 10.2.0.2
      sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
      ipvsadm --set 0 0 ${FORGET}; sysctl -qw net.ipv4.vs.conntrack=1 net.netfilter.nf_conntrack_udp_timeout=${FORGET}`,
    DIRECTOR,
  )
  // What has arrived is counted and dropped: nobody answers.
  sh(
    `nft -f - <<'END'
table ip bench {
  counter arrived { }
  chain in {
    type filter hook prerouting priority raw
    ip daddr ${BACKEND_NETWORK} counter name arrived drop
  }
}
END`,
    SERVER,
  )
}

export function removePacketNetwork(): void {
  for (const netns of [CLIENT, DIRECTOR, SERVER]) sh(`ip netns del ${netns} 2>/dev/null || true`)
}

/** What is measured on it. */
export class PacketNetwork {
  readonly #mac: string

  constructor() {
    this.#mac = sh('cat /sys/class/net/eth0/address', DIRECTOR).trim()
  }

  /** Fills the empty IPVS table of the director. */
  fill(lines: string): void {
    sh('ipvsadm -C; ipvsadm -R', DIRECTOR, lines)
  }

  /** Packets a second that reached the server. */
  async rate(burst: Burst): Promise<number> {
    this.#arrived()
    const microseconds = this.#send(burst)
    await sleep(ARRIVAL)
    const arrived = this.#arrived()
    if (arrived === 0) throw new Error(`none of ${burst.packets} packets arrived`)
    return (arrived * 1e6) / microseconds
  }

  /** Waits until the director has no connection any more. */
  async forget(): Promise<void> {
    await sleep(FORGOTTEN)
  }

  /** Since the last call. */
  #arrived(): number {
    return Number(/packets (\d+)/.exec(sh('nft reset counter ip bench arrived', SERVER))?.[1])
  }

  /** Gives how long the sending took: what a packet causes is done before the next is sent, or waits in a queue that is full soon. */
  #send({ packets, from, to, scattered }: Burst): number {
    const settings = [
      `count ${packets}`,
      'pkt_size 64',
      'delay 0',
      'clone_skb 0',
      `dst_min ${from}`,
      `dst_max ${to}`,
      `dst_mac ${this.#mac}`,
      `udp_dst_min ${SERVICE_PORT}`,
      `udp_dst_max ${SERVICE_PORT}`,
      'udp_src_min 1024',
      `udp_src_max ${scattered ? 65_000 : 1024}`,
      ...(scattered ? ['flag IPDST_RND', 'flag UDPSRC_RND'] : ['flag !IPDST_RND', 'flag !UDPSRC_RND']),
    ]
    const result = sh(
      `cd /proc/net/pktgen
      echo rem_device_all >kpktgend_0; echo 'add_device eth0' >kpktgend_0
      ${settings.map((line) => `echo '${line}' >eth0`).join('\n')}
      echo start >pgctrl; cat eth0`,
      CLIENT,
    )
    const microseconds = Number(/Result: OK: (\d+)\(/.exec(result)?.[1])
    if (!(microseconds > 0)) throw new Error(`pktgen said: ${result}`)
    return microseconds
  }
}
