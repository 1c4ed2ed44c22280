/**
 * Does harm and measures by the kernel's own messages how long it lasts. Standard input has one `Harm` a line, standard output one `Healed` a line;
 * `{"ready":true}` comes when both monitors are known to listen.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Harm {
  /** For the shell. */
  readonly command: string
  /** Who tells of it: `nft monitor` or `ip monitor address`. */
  readonly by: 'nft' | 'ip'
  /** Regular expressions: the first line after the command that tells of the harm, and of the cure after that. */
  readonly gone: string
  readonly back: string
}

export interface Healed {
  /** Between the two lines. */
  readonly milliseconds: number
  /** When the first came and when the second, milliseconds since the epoch. */
  readonly gone: number
  readonly back: number
  /** How long Node took to start and end right after that, in milliseconds: how fast this machine is just now. */
  readonly start: number
}

interface Told {
  readonly at: number
  readonly line: string
}

class Monitor {
  readonly told: Told[] = []
  readonly child: ChildProcess
  #wake: () => void = () => {}

  constructor(command: readonly [string, ...string[]]) {
    const [program, ...args] = command
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    if (this.child.stdout === null) throw new Error('no output')
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.told.push({ at: Date.now(), line })
      this.#wake()
    })
  }

  /** The first line from the `from`th on. */
  async line(pattern: RegExp, from: number): Promise<{ readonly told: Told; readonly next: number }> {
    for (let at = from; ; at++) {
      while (this.told.length <= at) await new Promise<void>((resolve) => (this.#wake = resolve))
      const told = this.told[at]
      if (told !== undefined && pattern.test(told.line)) return { told, next: at + 1 }
    }
  }
}

const sh = (command: string) => execFileSync('sh', ['-c', command])
const monitors = { nft: new Monitor(['nft', 'monitor']), ip: new Monitor(['ip', 'monitor', 'address']) }
const MARKS = {
  nft: { command: 'nft add table inet heal-mark && nft delete table inet heal-mark', told: /heal-mark/ },
  ip: { command: 'ip addr add 127.77.0.1/32 dev lo && ip addr del 127.77.0.1/32 dev lo', told: /127\.77\.0\.1/ },
}

for (const [name, { command, told }] of Object.entries(MARKS)) {
  const monitor = monitors[name as keyof typeof monitors]
  while (!monitor.told.some(({ line }) => told.test(line))) {
    sh(command)
    await sleep(200)
  }
}
process.stdout.write('{"ready":true}\n')

for await (const order of createInterface({ input: process.stdin })) {
  const { command, by, gone, back } = JSON.parse(order) as Harm
  const monitor = monitors[by]
  const from = monitor.told.length
  sh(command)
  const harm = await monitor.line(new RegExp(gone), from)
  const cure = await monitor.line(new RegExp(back), harm.next)
  const began = performance.now()
  execFileSync(process.execPath, ['-e', '0'])
  const start = performance.now() - began
  const healed: Healed = { milliseconds: cure.told.at - harm.told.at, gone: harm.told.at, back: cure.told.at, start }
  process.stdout.write(`${JSON.stringify(healed)}\n`)
}
for (const { child } of Object.values(monitors)) child.kill()
