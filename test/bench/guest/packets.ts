/** Packets through IPVS and source NAT, before rule sets of several sizes; in the namespace of the director. */

import { execFileSync } from 'node:child_process'
import { backendAddressOf, type PacketPlan, packetTableName, serviceAddressOf } from '../packet-plan.ts'
import type { Measure } from '../sample.ts'
import { median } from '../series.ts'
import { BACKEND_PORT, buildPacketNetwork, DIRECTOR, PacketNetwork, removePacketNetwork, SERVICE_PORT } from './packet-network.ts'
import { say } from './say.ts'
import { type IptablesPrograms, IptablesWay, NONE, OurWay, type SnatWay } from './snat-ways.ts'

export interface PacketTask {
  readonly plan: PacketPlan
  readonly iptables: IptablesPrograms
}

/** Makes the networks and goes on in the namespace of the director, where this program is started again. */
export function startPackets(task: PacketTask): void {
  buildPacketNetwork()
  try {
    const program = [process.execPath, process.argv[1] ?? '', 'packets', JSON.stringify(task)]
    execFileSync('ip', ['netns', 'exec', DIRECTOR, ...program], { stdio: ['ignore', 'inherit', 'inherit'] })
  } finally {
    removePacketNetwork()
  }
}

export async function measurePackets({ plan, iptables }: PacketTask): Promise<void> {
  const network = new PacketNetwork()
  await using ours = await OurWay.open()
  const peers = (['iptables-nft', 'iptables-legacy'] as const).map((variant) => new IptablesWay(variant, iptables))
  for (const count of plan.services) {
    progress(count, 'services')
    network.fill(restoreText(count))
    for (let round = 0; round < plan.rounds; round++) {
      for (const way of [NONE, ours, ...peers]) {
        progress(count, `${way.name}, round ${round + 1} of ${plan.rounds}`)
        await measureWay(network, way, count, plan)
      }
    }
  }
}

async function measureWay(network: PacketNetwork, way: SnatWay, count: number, plan: PacketPlan): Promise<void> {
  const sample = (measure: Measure, value: number) =>
    say({ kind: 'sample', measure, shape: packetTableName(count), subject: way.name, value })
  await way.put(count)
  try {
    // One in the middle: a list of rules is walked through to its half on average.
    const middle = serviceAddressOf(count >> 1)
    const one = { from: middle, to: middle, scattered: false }
    const all = { from: serviceAddressOf(0), to: serviceAddressOf(count), scattered: true }
    sample('packet-rate', await network.rate({ packets: plan.packets, ...one }))
    sample('connection-rate', await network.rate({ packets: plan.connections, ...all }))
    await network.forget()
    if (way.addOne === undefined) return
    const times: number[] = []
    for (let addition = 0; addition < plan.additions; addition++) times.push(await way.addOne(count))
    sample('packet-add', median(times))
  } finally {
    await way.remove()
  }
}

function restoreText(count: number): string {
  const lines = Array.from({ length: count }, (_, number) => {
    const service = `${serviceAddressOf(number)}:${SERVICE_PORT}`
    return `-A -u ${service} -s rr\n-a -u ${service} -r ${backendAddressOf(number)}:${BACKEND_PORT} -m\n`
  })
  return lines.join('')
}

function progress(count: number, text: string): void {
  say({ kind: 'progress', text: `${packetTableName(count)}: ${text}` })
}
