/** The address sink on real interfaces, with iproute2, tcpdump and the neighbours themselves as witnesses. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FAILPOINTS } from '../../../src/failpoint.ts'
import type { AddressFacts, AddressReport } from '../../../src/sinks/addresses/address-sink.ts'
import { type Host, LinkOfFour, until } from '../../support/addresses/link-of-four.ts'
import { type Command, PORT, type WantedLine } from '../../support/addresses/played-director.ts'

const program = new URL('../../support/addresses/played-director.ts', import.meta.url).pathname

/** Also root in a container may not make namespaces, and a kernel may lack bridges. */
const namespacesHere = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'br0', 'type', 'bridge']).status === 0
const dummiesHere = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'dummy7', 'type', 'dummy']).status === 0

const VIP = '10.77.0.50'
const VIP6 = '2001:db8:77::50'
const FAR = '192.0.2.50'
const WEB: WantedLine = { key: `tcp/${VIP}:80` }
const WEB6: WantedLine = { key: `tcp/[${VIP6}]:80` }
const AWAY: WantedLine = { key: `tcp/${FAR}:80` }

interface Pass {
  readonly report: AddressReport
  readonly facts: AddressFacts
}

class Director implements AsyncDisposable {
  readonly process: ChildProcess
  readonly passes: Pass[] = []
  readonly #exited: Promise<unknown[]>

  constructor(link: LinkOfFour, directory: string, failpoint = '') {
    this.process = link.spawn('director', [process.execPath, program, directory], { POINTSMAN_FAILPOINT: failpoint })
    this.#exited = once(this.process, 'exit')
    this.process.stdin?.on('error', () => undefined)
    const lines = createInterface(this.process.stdout as NodeJS.ReadableStream)
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Partial<Pass>
      if (said.report !== undefined) this.passes.push(said as Pass)
    })
  }

  get last(): Pass | undefined {
    return this.passes.at(-1)
  }

  want(...services: WantedLine[]): void {
    this.#say({ do: 'want', services })
  }

  /** Takes everything off and ends. */
  async remove(): Promise<void> {
    this.#say({ do: 'remove' })
    expect(await this.#exited).toEqual([0, null])
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#exited
  }

  /** The signal that ended it; undefined while it lives on. */
  async ended(): Promise<unknown> {
    const lives = setTimeout(20_000, [], { ref: false })
    const [, signal] = await Promise.race([this.#exited, lives])
    return signal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill()
  }

  #say(command: Command): void {
    this.process.stdin?.write(`${JSON.stringify(command)}\n`)
  }
}

let link: LinkOfFour
let directory: string

async function virtualAddresses(): Promise<string[]> {
  interface Listed {
    readonly ifname: string
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly family: string }[]
  }
  const listed = await link.json<Listed[]>('director', 'ip -j addr show')
  return listed
    .flatMap(({ ifname, addr_info }) =>
      addr_info
        .filter(({ local, prefixlen, family }) => prefixlen === (family === 'inet' ? 32 : 128) && local !== '::1')
        .map(({ local }) => `${local} ${ifname}`),
    )
    .sort()
}

function expectAddresses(...expected: string[]): Promise<void> {
  const wanted = [...expected].sort()
  return until(virtualAddresses, (found) => found.join() === wanted.join()).then((found) => expect(found).toEqual(wanted))
}

async function neighbour(host: Host, address: string): Promise<string | undefined> {
  const [entry] = await link.json<{ lladdr?: string }[]>(host, `ip -j neigh show ${address} dev eth0`)
  return entry?.lladdr
}

/** Who answers a request of the client. */
async function answerAt(address: string): Promise<string> {
  const host = address.includes(':') ? `[${address}]` : address
  const code = `const answer = await fetch('http://${host}:${PORT}/', { signal: AbortSignal.timeout(5000) }).then((a) => a.text(), (e) => e.cause?.code ?? e.name); console.log(answer)`
  return (await link.run('client', `'${process.execPath}' --input-type=module -e "${code}"`)).trim()
}

describe.skipIf(!namespacesHere)("virtual addresses on this machine's interfaces (else the lab alone shows them)", () => {
  beforeEach(async () => {
    link = await LinkOfFour.start()
    directory = await mkdtemp(join(tmpdir(), 'pointsman-vips-'))
  })
  afterEach(async () => {
    await link[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  it('a client on the link reaches them, the director never takes them for its own source, and nothing stays', async () => {
    await using director = new Director(link, directory)
    director.want(WEB, WEB6, AWAY, { key: `udp/${VIP}:53` })
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`, `${FAR} ${dummiesHere ? 'pointsman' : 'lo'}`)
    expect([await answerAt(VIP), await answerAt(VIP6)]).toEqual(['director', 'director'])
    const listing = await link.run('director', 'ip addr show')
    expect(listing).toMatch(/inet 10\.77\.0\.50\/32 scope global eth0:pm/)
    expect(listing).toMatch(/inet6 2001:db8:77::50\/128 scope global nodad deprecated/)
    const source = await link.run('director', 'ip -6 route get 2001:db8:77::2; ip route get 10.77.0.2')
    expect(source).toContain('src 2001:db8:77::1 ')
    expect(source).toContain('src 10.77.0.1 ')
    await director.remove()
    await expectAddresses()
    expect(await link.run('director', 'ip -br link')).not.toContain('pointsman')
  })

  it('an address that moves here from another host is taken over in the table of the client, by five announcements and five more', async () => {
    const [ours, theirs] = [await link.hardwareAddress('director'), await link.hardwareAddress('other')]
    await link.run('other', `ip addr add ${VIP}/32 dev eth0 && ip addr add ${VIP6}/128 dev eth0 nodad`)
    expect([await answerAt(VIP), await answerAt(VIP6)]).toEqual(['ECONNREFUSED', 'ECONNREFUSED'])
    expect([await neighbour('client', VIP), await neighbour('client', VIP6)]).toEqual([theirs, theirs])
    await link.run('other', `ip addr del ${VIP}/32 dev eth0 && ip addr del ${VIP6}/128 dev eth0`)

    const seen = watch('client', `(arp and arp[14:4] = 0x0a4d0032) or (icmp6 and ip6[40] = 136 and ip6[7] = 255)`)
    await seen.started
    await using director = new Director(link, directory)
    director.want(WEB, WEB6)
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`)
    // The client asks for nothing meanwhile.
    const table = () => Promise.all([neighbour('client', VIP), neighbour('client', VIP6)])
    expect(await until(table, (found) => found.every((one) => one === ours))).toEqual([ours, ours])
    const announced = () => [
      seen.lines.filter((line) => line.includes(`who-has ${VIP} (ff:ff:ff:ff:ff:ff) tell ${VIP}`)).length,
      seen.lines.filter((line) => line.includes(`> ff02::1: ICMP6, neighbor advertisement`) && line.includes(VIP6)).length,
    ]
    expect(
      await until(
        async () => announced(),
        (found) => found.every((one) => one >= 5),
      ),
    ).toEqual([5, 5])
    expect(
      await until(
        async () => announced(),
        (found) => found.every((one) => one >= 10),
      ),
    ).toEqual([10, 10])
    const counted = async () => director.last?.facts.announcements
    expect(await until(counted, (count) => count === 20)).toBe(20)
    await seen.end()
  })

  it('an address that another host holds is refused until it lets go', async () => {
    const theirs = await link.hardwareAddress('other')
    await link.run('other', `ip addr add ${VIP}/32 dev eth0 && ip addr add ${VIP6}/128 dev eth0 nodad`)
    await using director = new Director(link, directory)
    director.want(WEB, WEB6, { key: 'tcp/10.77.0.51:80' })
    await expectAddresses('10.77.0.51 eth0')
    const refused = await until(
      async () => director.last?.report.failed ?? [],
      (failed) => failed.length === 2,
    )
    for (const { code, message } of refused) expect([code, message.includes(theirs)]).toEqual(['ADDRESS_CONFLICT', true])
    expect(refused.map(({ object }) => object).sort()).toEqual([VIP, VIP6])
    expect(director.last?.facts.conflicts).toBe(2)
    await link.run('other', `ip addr flush dev eth0`)
    await expectAddresses('10.77.0.51 eth0', `${VIP} eth0`, `${VIP6} eth0`)
  })

  it('an address is not taken from a host that got it while this one had no carrier, at the start or later', async () => {
    await link.plug('director', 'out')
    await link.run('other', `ip addr add ${VIP}/32 dev eth0 && ip addr add ${VIP6}/128 dev eth0 nodad`)
    await using director = new Director(link, directory)
    director.want(WEB, WEB6)
    const failed = (code: string, count: number) =>
      until(
        async () => director.last?.report.failed ?? [],
        (found) => found.length === count && found.every((one) => one.code === code),
      ).then((found) => expect(found.map((one) => one.code)).toEqual(Array(count).fill(code)))
    await failed('ADDRESS_UNPLACED', 2)
    await link.plug('director', 'in')
    await failed('ADDRESS_CONFLICT', 2)
    await expectAddresses()
    await link.run('other', `ip addr del ${VIP6}/128 dev eth0 && ip addr del ${VIP}/32 dev eth0`)
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`)

    await link.plug('director', 'out')
    await link.run('other', `ip addr add ${VIP}/32 dev eth0`)
    const theirs = await link.hardwareAddress('other')
    expect([await answerAt(VIP), await neighbour('client', VIP)]).toEqual(['ECONNREFUSED', theirs])
    const seen = watch('client', 'arp and arp[14:4] = 0x0a4d0032 and arp[6:2] = 1')
    await seen.started
    await link.plug('director', 'in')
    await failed('ADDRESS_CONFLICT', 1)
    await expectAddresses(`${VIP6} eth0`)
    expect([await neighbour('client', VIP), seen.lines]).toEqual([theirs, []])
    await seen.end()
  })

  it('an address that is there before is left there, before, during and after', async () => {
    await link.run('director', `ip addr add ${VIP}/32 dev eth0 && ip addr add ${VIP6}/128 dev eth0 nodad`)
    // The kernel asks for its own link-local address meanwhile.
    const shown = async () => (await link.run('director', 'ip addr show dev eth0')).replaceAll(' tentative', '')
    const before = await shown()
    await using director = new Director(link, directory)
    director.want(WEB, WEB6)
    expect(
      await until(
        async () => director.last?.facts.foreign,
        (foreign) => foreign === 2,
      ),
    ).toBe(2)
    director.want()
    await until(
      async () => director.last?.facts.foreign,
      (foreign) => foreign === 0,
    )
    await director.remove()
    expect(await shown()).toBe(before)
  })

  it('addresses that somebody takes away come back by themselves, and are reached again', async () => {
    await using director = new Director(link, directory)
    director.want(WEB, WEB6)
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`)
    await link.run('director', `ip addr del ${VIP}/32 dev eth0; ip addr del ${VIP6}/128 dev eth0`)
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`)
    expect(await answerAt(VIP)).toBe('director')
    expect(
      await until(
        async () => director.last?.facts.repairs,
        (repairs) => repairs === 2,
      ),
    ).toBe(2)
  })

  it('a link that goes down and comes up has its addresses again', async () => {
    await using director = new Director(link, directory)
    director.want(WEB, WEB6)
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`)
    await link.run('director', 'ip link set eth0 down')
    await until(
      async () => director.last?.report.failed.length,
      (failed) => failed === 1,
    )
    expect(director.last?.report.failed).toMatchObject([{ object: VIP6, code: 'ADDRESS_UNPLACED' }])
    // The kernel took the address of the network with it too, but the service says where its own goes.
    director.want(WEB, { ...WEB6, interface: 'eth0' })
    await link.run('director', 'ip link set eth0 up')
    await expectAddresses(`${VIP} eth0`, `${VIP6} eth0`)
  })

  it.each(FAILPOINTS.filter((name) => name.startsWith('addresses.')))(
    'killed at %s, the next process ends with what is wanted, and takes all of it away',
    async (failpoint) => {
      await link.run('director', 'ip addr add 10.77.0.60/32 dev eth0')
      const there = { key: 'tcp/10.77.0.60:80' }
      const foreign = '10.77.0.60 eth0'
      const far = `${FAR} ${dummiesHere ? 'pointsman' : 'lo'}`
      await using before = new Director(link, directory)
      before.want(WEB, AWAY, there)
      await expectAddresses(`${VIP} eth0`, far, foreign)
      await before.kill()

      // One is added, one is deleted.
      await using killed = new Director(link, directory, failpoint)
      killed.want(WEB6, AWAY, there)
      expect(await killed.ended()).toBe('SIGKILL')

      await using next = new Director(link, directory)
      next.want(WEB6, AWAY, there)
      await expectAddresses(`${VIP6} eth0`, far, foreign)
      expect(
        await until(
          async () => next.last?.facts,
          (facts) => facts?.held === 2,
        ),
      ).toMatchObject({ held: 2, foreign: 1 })
      await next.remove()
      await expectAddresses(foreign)
      expect(await link.run('director', 'ip -br link')).not.toContain('pointsman')
    },
  )
})

/** Lines that tcpdump writes down on a host. */
function watch(host: Host, filter: string): { lines: string[]; started: Promise<void>; end(): Promise<void> } {
  const tcpdump = link.spawn(host, ['sh', '-c', 'exec tcpdump -l -nn -i eth0 --immediate-mode "$0" 2>/dev/null', filter])
  const lines: string[] = []
  createInterface(tcpdump.stdout as NodeJS.ReadableStream).on('line', (line) => lines.push(line))
  const started = until(
    () => link.run(host, `grep -c . /proc/net/packet`),
    (count) => Number(count) > 1,
  ).then(() => undefined)
  return {
    lines,
    started,
    end: async () => {
      tcpdump.kill('SIGINT')
      await once(tcpdump, 'exit')
    },
  }
}
