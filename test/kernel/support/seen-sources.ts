import type { Host, Topology } from '../../lab/topology.ts'

/** Notes on a host, by a set of its own nftables, whom packets to a port come from: what is seen below every server. */
export class SeenSources {
  readonly #net: Topology
  readonly #host: Host

  private constructor(net: Topology, host: Host) {
    this.#net = net
    this.#host = host
  }

  /** `match`: `sctp dport 8080`. */
  static async start(net: Topology, host: Host, match: string): Promise<SeenSources> {
    const input = `table ip seen {
  set sources { type ipv4_addr; flags dynamic; size 65535; }
  chain in {
    type filter hook prerouting priority raw
    ${match} add @sources { ip saddr }
  }
}
`
    await net.check(host, 'nft delete table ip seen 2>/dev/null; true')
    await net.check(host, ['nft', '-f', '-'], { input })
    return new SeenSources(net, host)
  }

  async addresses(): Promise<string[]> {
    const text = await this.#net.check(this.#host, 'nft list set ip seen sources')
    return [...text.slice(text.indexOf('elements')).matchAll(/\d+\.\d+\.\d+\.\d+/g)].map(([address]) => address).sort()
  }
}
