/** The bench's program in the lab: the conductor, and the processes that it starts, by the first argument. */

import { runIpvsWorkerIfAsked } from '../../../src/kernel/for-daemon.ts'
import type { Task } from '../sample.ts'
import { Ceiling } from './ceiling.ts'
import { Conductor } from './conduct.ts'
import { measureConsul } from './consul.ts'
import { Ours } from './ours.ts'
import { measurePackets, type PacketTask, startPackets } from './packets.ts'
import { measureProbesBeside } from './probes.ts'
import { serve } from './remote.ts'
import { say } from './say.ts'

async function conduct(task: Task): Promise<void> {
  if (task.kind === 'consul') return measureConsul(task.plan, task.programs, task.agent)
  if (task.kind === 'packets') return startPackets(task)
  if (task.kind === 'probes') return measureProbesBeside(task)
  await using conductor = new Conductor(process.argv[1] ?? '')
  if (task.kind === 'measure') await conductor.run(task.plan, task.programs)
  else for (const each of task.cases) say(await conductor.profile(each, task.rounds))
}

if (!runIpvsWorkerIfAsked()) {
  const [role, argument] = process.argv.slice(2)
  if (role === 'ours') serve((await Ours.open(argument)).offer())
  else if (role === 'ceiling') serve(new Ceiling().offer())
  else if (role === 'packets') await measurePackets(JSON.parse(argument ?? '') as PacketTask)
  else if (role === 'conduct') await conduct(JSON.parse(argument ?? '') as Task)
  else throw new Error(`nobody plays the part of ${role}`)
}
