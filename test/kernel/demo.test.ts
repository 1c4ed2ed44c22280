/** The command of `npm run demo`, as people run it, but for the lab, which is the suite's. */

import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { inCheckout } from '../lab/lab.ts'
import { labSocket } from '../lab/shared.ts'
import { consulBinary } from '../peers/consul.ts'

/** Share of the answers, in percent, above which a server has the weight 6 of the scene's caption. */
const MOST = 60

/** `[3/16] caption`, then a bar for each server, then the sum. */
interface Picture {
  readonly heading: string
  /** Percent by server. */
  readonly shares: ReadonlyMap<string, number>
  readonly sum: string
}

function picturesIn(text: string): Picture[] {
  return [...text.matchAll(/^(\[\d+\/\d+\] .*)\n((?: {2}\S+ +[█·]+ +\d+%\n)+) {2}(.*)$/gm)].map(
    ([, heading = '', bars = '', sum = '']) => ({
      heading,
      sum,
      shares: new Map(
        [...bars.matchAll(/^ {2}(\S+) +[█·]+ +(\d+)%$/gm)].map(([, server = '', share]) => [server, Number(share)]),
      ),
    }),
  )
}

/** Requests that were under way when the table became what the scene wants, of at least 48 that are counted, in percent. */
const UNDER_WAY = 9

/** Who gave answers once the table was as the scene wants it, in capitals who gave most of them. */
function answering({ heading, shares }: Picture): string {
  const servers = [...shares].filter(([, share]) => share > UNDER_WAY)
  return `${heading}: ${servers.map(([server, share]) => (share > MOST ? server.toUpperCase() : server)).join(' ')}`
}

it('plays both acts without a failed request or a lost connection, and the answers follow', async () => {
  const env = { ...process.env, LAB_SOCKET: labSocket(), PATH: `${dirname(await consulBinary())}:${process.env['PATH']}` }
  const { stdout } = await promisify(execFile)(process.execPath, [inCheckout('demo/main.ts')], { env })
  const pictures = picturesIn(stdout)
  expect(pictures.map(answering)).toEqual([
    '[1/16] three servers, equal weights: rs1 rs2 rs3',
    '[2/16] the file gives rs1 weight 6: RS1 rs2 rs3',
    '[3/16] rs3 leaves the file: it drains, nobody is cut off: rs1 rs2',
    '[4/16] somebody saves half a file: the last good one stays: rs1 rs2',
    '[5/16] rs3 comes back, the scheduler becomes lc in place: rs1 rs2 rs3',
    '[6/16] a stranger sets rs2 to weight 0: put back at the next resync: rs1 rs2 rs3',
    '[7/16] the source becomes the DNS: SRV records that give rs1 weight 6: RS1 rs2 rs3',
    '[8/16] the record of rs3 leaves the zone: it drains: RS1 rs2',
    '[9/16] the record of rs3 comes back, and all weigh the same: rs1 rs2 rs3',
    '[10/16] the source becomes a Consul agent, where the three have registered: rs1 rs2 rs3',
    '[11/16] the check of rs1 turns critical: no new connections, the old ones live on: rs2 rs3',
    '[12/16] rs1 is well again, rs2 goes into maintenance: rs1 rs3',
    '[13/16] rs2 is back from maintenance, rs3 deregisters: it drains: rs1 rs2',
    '[14/16] the agent is killed: who was known goes on serving: rs1 rs2',
    '[15/16] the agent is back and has forgotten everybody: the guard holds the pool: rs1 rs2',
    '[16/16] the three register again, and all is as it was: rs1 rs2 rs3',
  ])
  for (const { sum } of pictures) expect(sum).toMatch(/^\d+ requests, 0 failed$/)
  expect(stdout).toMatch(/\n\d+ requests, 0 failed; 40 connections held throughout, 0 lost; \d+ s\n$/)
})
