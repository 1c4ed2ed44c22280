/**
 * `npm run demo`: a client, a director and three real servers, the real `start` command, and a live picture of who answers.
 * First the file with the servers is edited; then the same traffic follows a DNS server and a Consul agent. Exits with 1 if
 * a single request failed.
 */

import { attachLab, openLab } from '../test/lab/lab.ts'
import { consulInCache } from '../test/peers/consul.ts'
import { bundleProgram } from './director.ts'
import { onPath } from './on-path.ts'
import { perform } from './perform.ts'
import { picture, Screen } from './picture.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)

const WITHOUT_CONSUL =
  'The scenes with a Consul agent are left out, because no consul is installed: put the program consul of HashiCorp on the PATH.'

async function main(): Promise<boolean> {
  const began = performance.now()
  say('Starting a client, a director and three real servers …')
  const program = bundleProgram()
  // Waited for once the lab is up.
  program.catch(() => undefined)
  // Who has a lab already lends it: booting one takes longer than a scene.
  const lent = process.env['LAB_SOCKET']
  await using lab = await (lent === undefined ? openLab() : attachLab(lent))
  const where = lab.mode === 'vm' ? 'in a virtual machine, because this machine’s own has no ip_vs' : 'of this machine'
  say(`Linux ${lab.kernel}, ${where}\n`)
  const screen = new Screen(process.stdout)
  const isTerminal = process.stdout.isTTY
  const consul = onPath('consul') ?? consulInCache()
  const { attempts, failures, firstFailures, held } = await perform(lab, {
    program,
    consul,
    sceneLength: 1_400,
    frameLength: 260,
    show: (view, isLast) => {
      if (isTerminal || isLast) screen.draw(picture(view, isTerminal && !process.env['NO_COLOR']))
      if (isLast) screen.keep()
    },
  })
  if (consul === undefined) say(`\n${WITHOUT_CONSUL}`)
  const seconds = Math.round((performance.now() - began) / 1000)
  say(`\n${attempts} requests, ${failures} failed; ${held.opened} connections held throughout, ${held.lost} lost; ${seconds} s`)
  for (const failure of firstFailures) say(`  ${failure.on}: ${failure.kind} ${failure.code} after ${failure.at} ms`)
  return attempts > 0 && failures === 0 && held.opened > 0 && held.lost === 0
}

process.exitCode = (await main()) ? 0 : 1
