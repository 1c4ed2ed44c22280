/**
 * Does harm and measures how long it lasts: from the kernel's message that tells of the harm to the one that tells of the cure. A netlink monitor device sees
 * each of them as it is sent, and the kernel writes down when that was: however late they are read here, and by the daemon, which is one of those that are told.
 * Standard input has one `Harm` a line, standard output one `Healed` a line; `{"ready":true}` comes when the device is known to see.
 */
import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type NetlinkEvent, netlinkEvents, ONLY_EVENTS } from '../support/netlink-events.ts'

export interface Harm {
  /** For the shell. */
  readonly command: string
  /** The first event after the command that tells of the harm, and of the cure after that. */
  readonly gone: string
  readonly back: string
}

export interface Healed {
  /** Between the two events. */
  readonly milliseconds: number
}

/** Milliseconds after the harm in which nothing is looked at: whoever heals has the processor meanwhile. */
const HANDS_OFF = 1_000
const LOOK_EVERY = 250

const sh = (command: string) => execFileSync('sh', ['-c', command])
sh('ip link show nlmon0 >/dev/null 2>&1 || { ip link add nlmon0 type nlmon && ip link set nlmon0 up; }')
const size = ['-s', '20480', '-B', '16384', '--immediate-mode']
const tcpdump = spawn('nice', ['-n', '19', 'tcpdump', '-i', 'nlmon0', ...size, '-U', '-w', '-', ONLY_EVENTS], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const chunks: Buffer[] = []
tcpdump.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))

const told = (): readonly NetlinkEvent[] => netlinkEvents(Buffer.concat(chunks))

const MARKS = {
  'delete table heal-mark': 'nft add table inet heal-mark && nft delete table inet heal-mark',
  'delete address 127.77.0.1': 'ip addr add 127.77.0.1/32 dev lo && ip addr del 127.77.0.1/32 dev lo',
}
for (const [mark, command] of Object.entries(MARKS)) {
  while (!told().some(({ what }) => what === mark)) {
    sh(command)
    await sleep(LOOK_EVERY)
  }
}
process.stdout.write('{"ready":true}\n')

for await (const order of createInterface({ input: process.stdin })) {
  const { command, gone, back } = JSON.parse(order) as Harm
  const from = told().length
  sh(command)
  let healed: Healed | undefined
  for (let wait = HANDS_OFF; healed === undefined; wait = LOOK_EVERY) {
    await sleep(wait)
    const events = told().slice(from)
    const harm = events.findIndex(({ what }) => what === gone)
    const cure = events.slice(harm + 1).find(({ what }) => what === back)
    const at = events[harm]?.at
    if (at !== undefined && cure !== undefined) healed = { milliseconds: cure.at - at }
  }
  process.stdout.write(`${JSON.stringify(healed)}\n`)
}
tcpdump.kill()
