/** nftables and conntrack of this machine's kernel, in a network namespace of the test's own; the lab asks a stock kernel the same. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { CONNTRACK_CONTRACT } from '../support/conntrack-contract.ts'
import type { CheckResult } from '../support/kernel-contract.ts'
import { NFTABLES_CONTRACT } from '../support/netfilter-contract.ts'

const run = promisify(execFile)

/** Also root in a container may not make namespaces, and a kernel may lack nf_tables. */
const nftablesHere = spawnSync('unshare', ['--net', '/usr/sbin/nft', 'list', 'ruleset']).status === 0

describe.skipIf(!nftablesHere)("this machine's kernel keeps what source NAT relies on (else the lab alone shows it)", () => {
  let results: ReadonlyMap<string, CheckResult>

  beforeAll(async () => {
    const script = 'ip link set lo up && exec "$0" test/kernel/guest/netfilter-contract.ts'
    const { stdout } = await run('unshare', ['--net', 'sh', '-c', script, process.execPath])
    results = new Map((JSON.parse(stdout) as CheckResult[]).map((result) => [result.name, result]))
  })

  it.each([...NFTABLES_CONTRACT, ...CONNTRACK_CONTRACT].map(({ name }) => name))('%s', (name) => {
    expect(results.get(name)).toEqual({ name })
  })
})

describe.skipIf(!nftablesHere)('without a free descriptor', () => {
  it.each(['libnftables', 'nft'])(
    '%s refuses in a sentence, does not end the process, and works again afterwards',
    async (by) => {
      const code = `
      import { closeSync, openSync } from 'node:fs'
      import { openNftablesKernel } from './src/kernel/for-daemon.ts'
      const kernel = await openNftablesKernel({ by: '${by}' })
      const add = () => kernel.apply([{ add: { table: { family: 'inet', name: 'full' } } }])
      const taken = []
      try {
        for (;;) taken.push(openSync('/dev/null'))
      } catch {}
      console.log(await add().then(() => 'done', (error) => error.code + (/EMFILE/.test(error.message) ? ' EMFILE' : '')))
      for (const fd of taken) closeSync(fd)
      await add()
      console.log((await kernel.readTable('inet', 'full')).length)
      await kernel[Symbol.asyncDispose]()
    `
      const script = 'ulimit -n 200 && exec "$0" --input-type=module-typescript --eval "$1"'
      const { stdout } = await run('unshare', ['--net', 'sh', '-c', script, process.execPath, code])
      expect(stdout).toBe('KERNEL_REFUSED EMFILE\n1\n')
    },
  )
})

describe.skipIf(!nftablesHere)('a ruleset with a table of ours', () => {
  it('is read again by nft as it was printed, which is how people keep theirs', async () => {
    const code = `
      import { execSync } from 'node:child_process'
      import { openNftablesKernel } from './src/kernel/for-daemon.ts'
      import { createSnatSink } from './src/sinks/snat/snat-sink.ts'
      import { state } from './test/support/desired.ts'
      import { translated } from './test/support/source-nat.ts'
      const kernel = await openNftablesKernel()
      const sink = createSnatSink({ kernel })
      const services = [
        translated('tcp/10.9.0.1:80'),
        translated('udp/10.9.0.1:0', '10.0.0.9'),
        translated('fwmark/7/ipv4', '10.0.0.9-10.0.0.12', ['10.2.1.2:80']),
        translated('sctp/[fd00:9::1]:80', 'fd00::9-fd00::c'),
        translated('fwmark/7/ipv6', 'masquerade', ['[fd00:2::2]:0']),
      ]
      await sink.open(state(services), 'full', 0)
      const printed = execSync('/usr/sbin/nft list ruleset').toString()
      execSync('/usr/sbin/nft -f /dev/stdin', { input: 'flush ruleset\\n' + printed })
      console.log(printed === execSync('/usr/sbin/nft list ruleset').toString())
      await sink[Symbol.asyncDispose]()
      const next = createSnatSink({ kernel })
      console.log(JSON.stringify((await next.open(state(services), 'full', 0)).applied))
      await next[Symbol.asyncDispose]()
      await kernel[Symbol.asyncDispose]()
    `
    const script = 'exec "$0" --input-type=module-typescript --eval "$1"'
    const { stdout } = await run('unshare', ['--net', 'sh', '-c', script, process.execPath, code])
    expect(stdout).toBe('true\n{}\n')
  })
})

describe.skipIf(!nftablesHere)('who listens to the ruleset', () => {
  const listenAnd = (then: string) => `
    import { spawnSync } from 'node:child_process'
    import { openNftablesKernel } from './src/kernel/for-daemon.ts'
    const kernel = await openNftablesKernel()
    kernel.onChange((change) => { ${then} })
    spawnSync('/usr/sbin/nft', ['add', 'table', 'ip', 'elsewhere'])
  `
  const outcome = async (code: string) => {
    const node = ['--net', process.execPath, '--input-type=module-typescript', '--eval', code]
    return run('unshare', node).then(
      () => 0,
      (error) => error.signal ?? error.code,
    )
  }

  it('ends as it likes, also with a message waiting: nothing is called while Node ends', async () => {
    expect(await outcome(listenAnd(''))).toBe(0)
    expect(await outcome(`${listenAnd('')}; process.exit(3)`)).toBe(3)
    expect(await outcome(`${listenAnd('')}; throw new Error('on the way')`)).toBe(1)
  })

  it('fails in the usual way where a listener throws', async () => {
    expect(await outcome(`${listenAnd('process.exit(7)')}; await new Promise((resolve) => setTimeout(resolve, 30_000))`)).toBe(7)
    expect(
      await outcome(`${listenAnd("throw new Error('heard')")}; await new Promise((resolve) => setTimeout(resolve, 30_000))`),
    ).toBe(1)
  })

  it('is told of the loss when more came than was kept, and listens on', async () => {
    const code = `
      import { spawnSync } from 'node:child_process'
      import { AF_NETLINK, RawSocket, SOCK_RAW } from './src/kernel/libc.ts'
      import { RulesetWatch } from './src/kernel/nftables/ruleset-watch.ts'
      const socket = new RawSocket(AF_NETLINK, SOCK_RAW, 12)
      // SO_RCVBUF at its least, and NFNLGRP_NFTABLES.
      socket.setOption(1, 8, 1)
      socket.bind(Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0))
      const alive = setInterval(() => {}, 1000)
      let times = 0
      const watch = new RulesetWatch(({ tables }) => {
        console.log(tables === undefined ? 'lost' : [...tables].join())
        if (++times === 1) return spawnSync('/usr/sbin/nft', ['add', 'table', 'ip', 'later'])
        watch[Symbol.dispose]()
        clearInterval(alive)
      }, socket)
      // Nobody reads meanwhile.
      for (let n = 0; n < 40; n++) spawnSync('/usr/sbin/nft', ['add', 'table', 'ip', 't' + n])
    `
    const { stdout } = await run('unshare', ['--net', process.execPath, '--input-type=module-typescript', '--eval', code])
    expect(stdout).toBe('lost\nip later\n')
  })
})

describe.skipIf(!nftablesHere)('two connections to nftables in one process', () => {
  it('read at the same time what is there, each its own', async () => {
    const code = `
      import { openNftablesKernel } from './src/kernel/for-daemon.ts'
      const protocols = ['tcp', 'udp']
      const type = ['inet_proto', 'ipv4_addr', 'inet_service']
      const wrong = await Promise.all(protocols.map(async (protocol) => {
        const kernel = await openNftablesKernel({ by: 'libnftables' })
        const at = { family: 'inet', table: protocol, name: 'served' }
        const elem = Array.from({ length: 500 }, (_, port) => ({ concat: [protocol, '10.9.0.1', port + 1] }))
        await kernel.apply([{ add: { table: { family: 'inet', name: protocol } } }, { add: { set: { ...at, type, elem } } }])
        let wrong = 0
        for (let time = 0; time < 20; time++)
          for (const { set } of await kernel.readTable('inet', protocol))
            wrong += (set?.elem ?? []).filter(({ concat }) => concat[0] !== protocol).length
        await kernel[Symbol.asyncDispose]()
        return wrong
      }))
      console.log(wrong.join(' '))
    `
    const { stdout } = await run('unshare', ['--net', process.execPath, '--input-type=module-typescript', '--eval', code])
    expect(stdout).toBe('0 0\n')
  })
})
