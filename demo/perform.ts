import type { Lab } from '../test/lab/lab.ts'
import { buildTopology } from '../test/lab/topology.ts'
import { type FlowReport, startServer, startTraffic } from '../test/lab/traffic/traffic.ts'
import { ConsulAgent } from './consul-agent.ts'
import { consulScenes } from './consul-scenes.ts'
import { Director, installProgram } from './director.ts'
import { dnsScenes } from './dns-scenes.ts'
import { fileScenes } from './file-scenes.ts'
import { BACKEND_PORT, type Servers, VIP, VIP_PORT } from './scene.ts'
import { type Pace, show } from './show.ts'
import { Stagehand } from './stagehand.ts'

/** Connections that the generator keeps open from the first scene to the last. */
const HELD = 40
/** Seconds; a busy machine takes several times the minute that it should be. */
const LONGEST = 600

export interface Play extends Pace {
  /** The program in one file. */
  readonly program: Promise<Buffer>
  /** Path of the consul to use; without it its scenes are left out. */
  readonly consul: string | undefined
}

/** Plays both acts in a lab and gives the traffic generator's verdict. */
export async function perform(lab: Lab, play: Play): Promise<FlowReport> {
  const [topology] = await Promise.all([
    buildTopology(lab, { name: 'demo', kind: 'routed', realServers: 3 }),
    play.program.then((program) => installProgram(lab, program)),
  ])
  await using _ = topology
  const servers: Servers = new Map(topology.realServers.map(({ role, addresses }) => [role, `${addresses.ipv4}:${BACKEND_PORT}`]))
  const director = new Director(lab, topology, servers)
  const firstAct = fileScenes(director)
  await firstAct[0]?.play()
  const [stagehand] = await Promise.all([
    Stagehand.start(lab, topology.director),
    director.start(),
    ...topology.realServers.map((host) => startServer(lab, host, [`tcp:${host.addresses.ipv4}:${BACKEND_PORT}`])),
  ])
  const flow = { id: 'web', protocol: 'tcp', address: VIP, port: VIP_PORT, held: HELD, concurrency: 4, pauseMs: 20 } as const
  const traffic = await startTraffic(lab, topology.client, [flow], LONGEST)
  const scenes = [...firstAct, ...dnsScenes(director, stagehand, servers)]
  if (play.consul !== undefined) {
    const agent = new ConsulAgent(play.consul, topology, stagehand, servers)
    // It has the first act to get ready.
    agent.start()
    scenes.push(...consulScenes(director, agent))
  }
  for (const [index, scene] of scenes.entries())
    await show(play, scene, { stagehand, traffic, servers, number: index + 1, of: scenes.length })
  const { flows } = await traffic.stop()
  await director.stop()
  return flows[0] as FlowReport
}
