/**
 * The traffic generator: one long-lived process in the client's namespace.
 *
 * Its one argument is `GeneratorOptions` as JSON; it prints `GeneratorLine`s and obeys `GeneratorCommand`s on its input.
 */

import { readSync, writeSync } from 'node:fs'
import type { GeneratorCommand, GeneratorLine, GeneratorOptions } from './flow.ts'
import { RunningFlow } from './running-flow.ts'
import { hungUp, Poller, readable } from './sockets.ts'

const progressMs = 250
const tickMs = 10

const options = JSON.parse(process.argv[2] ?? '') as GeneratorOptions
const started = performance.now()
const at = (): number => Math.round(performance.now() - started)
const print = (line: GeneratorLine): number => writeSync(1, `${JSON.stringify(line)}\n`)

const poller = new Poller()
const flows = options.flows.map((flow) => new RunningFlow(poller, flow, started))

function stop(): void {
  for (const flow of flows) flow.stop()
}

function obey(command: GeneratorCommand): void {
  if (command.do === 'stop') {
    stop()
    return
  }
  for (const flow of flows) flow.mark(command.name)
  print({ type: 'marked', name: command.name, at: at() })
}

const input = Buffer.alloc(65536)
let partial = ''
poller.add(0, readable | hungUp, () => {
  const size = readSync(0, input)
  if (size === 0) {
    stop()
    poller.close(0)
    return
  }
  const lines = (partial + input.toString('utf8', 0, size)).split('\n')
  partial = lines.pop() ?? ''
  for (const line of lines) obey(JSON.parse(line) as GeneratorCommand)
})

/** One turn: wait for sockets, then what is due. Microtasks run between turns. */
async function turn(): Promise<void> {
  poller.wait(tickMs)
  const now = performance.now()
  for (const flow of flows) flow.tick(now)
}

while (!flows.every((flow) => flow.holding)) await turn()
print({ type: 'holding' })
for (const flow of flows) flow.begin()
let nextProgress = 0
while (!flows.every((flow) => flow.idle)) {
  await turn()
  if (at() > options.maxSeconds * 1000) stop()
  if (at() < nextProgress) continue
  nextProgress = at() + progressMs
  print({ type: 'progress', at: at(), flows: flows.map((flow) => flow.counts()) })
}
print({ type: 'report', seconds: at() / 1000, flows: flows.map((flow) => flow.report()) })
process.exit(0)
