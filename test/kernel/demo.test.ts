import { expect, it } from 'vitest'
import { bundleProgram } from '../../demo/director.ts'
import { perform } from '../../demo/perform.ts'
import type { View } from '../../demo/picture.ts'
import { sharedLab } from '../lab/shared.ts'
import type { Phase } from '../lab/traffic/flow.ts'
import { consulBinary } from '../peers/consul.ts'

it('the demo plays both acts without a failed request or a lost connection, and the answers follow', async () => {
  await using lab = await sharedLab()
  const kept: View[] = []
  const report = await perform(lab, {
    program: bundleProgram(),
    consul: await consulBinary(),
    sceneLength: 2_000,
    frameLength: 260,
    show: (view, isLast) => {
      if (isLast) kept.push(view)
    },
  })
  expect(kept.map(({ number, of }) => `${number}/${of}`)).toEqual(Array.from({ length: 16 }, (_, index) => `${index + 1}/16`))
  const answers = new Map(report.phases.map(({ name, servers }) => [name, servers]))
  expect(kept.map(({ scene }) => `${scene}: ${answering(answers.get(scene))}`)).toEqual([
    'three servers, equal weights: rs1 rs2 rs3',
    'the file gives rs1 weight 6: RS1 rs2 rs3',
    'rs3 leaves the file: it drains, nobody is cut off: rs1 rs2',
    'somebody saves half a file: the last good one stays: rs1 rs2',
    'rs3 comes back, the scheduler becomes lc in place: rs1 rs2 rs3',
    'a stranger sets rs2 to weight 0: put back at the next resync: rs1 rs2 rs3',
    'the source becomes the DNS: SRV records that give rs1 weight 6: RS1 rs2 rs3',
    'the record of rs3 leaves the zone: it drains: RS1 rs2',
    'the record of rs3 comes back, and all weigh the same: rs1 rs2 rs3',
    'the source becomes a Consul agent, where the three have registered: rs1 rs2 rs3',
    'the check of rs1 turns critical: no new connections, the old ones live on: rs2 rs3',
    'rs1 is well again, rs2 goes into maintenance: rs1 rs3',
    'rs2 is back from maintenance, rs3 deregisters: it drains: rs1 rs2',
    'the agent is killed: who was known goes on serving: rs1 rs2',
    'the agent is back and has forgotten everybody: the guard holds the pool: rs1 rs2',
    'the three register again, and all is as it was: rs1 rs2 rs3',
  ])
  expect(report.firstFailures).toEqual([])
  expect(report.failures).toBe(0)
  expect(report.held).toMatchObject({ opened: 40, alive: 40, lost: 0 })
})

/** The generator's lanes: so many connections may have been under way when the table became what the scene wants. */
const UNDER_WAY = 4

/** Who gave answers from then on, in capitals who gave more than 60 % of them. */
function answering(answers: Phase['servers'] = {}): string {
  const total = Object.values(answers).reduce((sum, count) => sum + count, 0)
  return Object.keys(answers)
    .sort()
    .filter((server) => (answers[server] ?? 0) > UNDER_WAY)
    .map((server) => ((answers[server] ?? 0) > 0.6 * total ? server.toUpperCase() : server))
    .join(' ')
}
