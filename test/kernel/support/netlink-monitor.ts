/** A netlink monitor device (nlmon) in a namespace, with tcpdump writing down what passes. */

import { setTimeout } from 'node:timers/promises'
import type { Lab } from '../../lab/lab.ts'
import { type IpvsRequest, ipvsRequests, isWrite } from './netlink-pcap.ts'

/** Byte 6 of the first message behind the cooked header of 16 bytes: the low byte of its flags, NLM_F_REQUEST among them. */
const ONLY_REQUESTS = 'link[22] & 1 = 1'

export class NetlinkMonitor {
  readonly #finish: () => Promise<IpvsRequest[]>

  private constructor(finish: () => Promise<IpvsRequest[]>) {
    this.#finish = finish
  }

  /** Watches from when the promise resolves. */
  static async start(lab: Lab, netns = 'director'): Promise<NetlinkMonitor> {
    const family = /ID: (0x[0-9a-f]+)/.exec(await lab.check(['genl', 'ctrl', 'get', 'name', 'IPVS'], { netns }))?.[1]
    if (family === undefined) throw new Error('genl does not tell the id of the family IPVS')
    await lab.check('modprobe nlmon')
    await lab.check('ip link show nlmon0 >/dev/null 2>&1 || { ip link add nlmon0 type nlmon && ip link set nlmon0 up; }', {
      netns,
    })
    const file = `/run/lab/netlink-${Date.now()}.pcap`
    // A request of ours has at most 16 KiB. Frames of the ring are as large as the snapshot length: smaller ones, more of them.
    const size = ['-s', '20480', '-B', '131072', '--immediate-mode']
    const command = ['tcpdump', '-i', 'nlmon0', ...size, '-U', '-w', file, ONLY_REQUESTS]
    const tcpdump = lab.spawn(command, { netns })
    await tcpdump.waitForLine((line) => line.includes('listening on nlmon0'))
    const seen = async (): Promise<IpvsRequest[]> => ipvsRequests(await lab.readFile(file), Number(family))
    return new NetlinkMonitor(async () => {
      await sendMarker(lab, netns, seen)
      tcpdump.kill('SIGINT')
      await tcpdump.exited
      const dropped = /(\d+) packets dropped by kernel/.exec(tcpdump.stderr)?.[1]
      if (dropped !== '0') throw new Error(`tcpdump is no witness: it lost packets (${tcpdump.stderr.trim()})`)
      const requests = await seen()
      await lab.check(['rm', file])
      return requests
    })
  }

  /** Ends the watch: every IPVS request that was sent in the namespace meanwhile. */
  requests(): Promise<IpvsRequest[]> {
    return this.#finish()
  }

  /** Ends the watch: the requests that were to change something. */
  async writes(): Promise<IpvsRequest[]> {
    return (await this.requests()).filter(isWrite)
  }
}

/** tcpdump drops what it has not read yet when it is told to end: a request of our own behind the others has to be on disk first. */
async function sendMarker(lab: Lab, netns: string, seen: () => Promise<IpvsRequest[]>): Promise<void> {
  const markers = async (): Promise<number> => (await seen()).filter(({ command }) => command === 'get-config').length
  const before = await markers()
  await lab.check(['ipvsadm', '-L', '--timeout'], { netns })
  const deadline = performance.now() + 30_000
  while ((await markers()) === before) {
    if (performance.now() > deadline) throw new Error('the netlink monitor does not see the request that it was sent')
    await setTimeout(100)
  }
}
