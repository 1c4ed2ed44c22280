/** A director whose backends have no way back but through it: one service that the generator asks, one whose server tells from where it is asked. */

import type { Lab } from '../../lab/lab.ts'
import type { Host, Topology } from '../../lab/topology.ts'
import { type Flow, listenersOn, startServer } from '../../lab/traffic/traffic.ts'
import type { Question } from '../guest/ask-sources.ts'
import { addressesOf, askSources, startSourceWitness } from './ask-sources.ts'

export const VIP = '10.1.0.200'
/** The fixed source address of the second service. */
export const SNAT = '10.2.1.50'
const [ECHO, WITNESS] = [8080, 9090]
export const BACKENDS = [`10.2.1.2:${ECHO}`, `10.2.2.2:${ECHO}`] as const

/** Connections that live through all that is done to the director. */
export const HELD = 20
/** What is asked of the first service meanwhile, one connection after the other. */
export const LASTING_FLOW: Flow = {
  id: 'web',
  protocol: 'tcp',
  address: VIP,
  port: 80,
  held: HELD,
  echoIntervalMs: 2_000,
  concurrency: 1,
  pauseMs: 50,
  timeoutMs: 30_000,
}

export const configurationWith = (global: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    global: { admin: '127.0.0.1:9095', resync_interval: '2s', ...global },
    services: [
      {
        name: 'web',
        listen: `${VIP}:80`,
        scheduler: 'rr',
        full_nat: true,
        virtual_address: true,
        health_check: { type: 'tcp', interval: '10s', timeout: '8s', fail_count: 5 },
        backends: BACKENDS,
      },
      {
        name: 'dns',
        listen: `${VIP}:53`,
        protocol: 'udp',
        scheduler: 'rr',
        full_nat: true,
        snat_ip: SNAT,
        virtual_address: true,
        health_check: { enabled: false },
        backends: [`10.2.1.2:${WITNESS}`],
      },
    ],
  })

/** Lines of ipvsadm; `weight` is that of the second backend of `web`. */
export const tableWith = (weight: 0 | 1): string => `
  -A -t ${VIP}:80 -s rr
  -a -t ${VIP}:80 -r ${BACKENDS[0]} -m -w 1
  -a -t ${VIP}:80 -r ${BACKENDS[1]} -m -w ${weight}
  -A -u ${VIP}:53 -s rr
  -a -u ${VIP}:53 -r 10.2.1.2:${WITNESS} -m -w 1
`

/** Makes the director and its real servers ready. `sysctls`: of net.ipv4.vs, as its words for sysctl. */
export async function prepare(lab: Lab, net: Topology, sysctls: string): Promise<void> {
  await net.check(net.director, `modprobe ip_vs; ip addr add ${SNAT}/32 dev lo; sysctl -qw ${sysctls}`)
  for (const server of net.realServers) {
    await net.check(server, 'ip route del default; ip -6 route del default; ip route')
    await startServer(lab, server, listenersOn([server.addresses.ipv4], [ECHO]))
  }
  await startSourceWitness(lab, net.realServers[0] as Host, WITNESS)
}

/** From where the second service's server is asked, by a client at a port that it did not have before, or at this one. */
export async function sourcesOf(lab: Lab, client: Host, localPort: number, patience: number): Promise<string[]> {
  const question: Question = { protocol: 'udp', address: VIP, port: 53, localPort, patience }
  return addressesOf((await askSources(lab, client, [question]))[0])
}
