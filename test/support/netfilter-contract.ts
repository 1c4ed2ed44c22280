import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNftablesKernel } from '../../src/kernel/for-daemon.ts'
import type { NftablesKernel, NftChange, NftCommand, NftObject } from '../../src/kernel/for-sinks.ts'

export interface NetfilterCheck {
  readonly name: string
  /** In a network namespace that nobody else uses; what it leaves behind is cleared away. */
  readonly run: () => Promise<void>
}

const WAYS = ['libnftables', 'nft'] as const
const TABLE = { family: 'inet', name: 'contract' }
const IN_TABLE = { family: TABLE.family, table: TABLE.name }

const addTable: NftCommand = { add: { table: TABLE } }
const addMap: NftCommand = {
  add: { map: { ...IN_TABLE, name: 'pairs', type: ['ipv4_addr', 'inet_proto', 'inet_service'], map: 'ipv4_addr' } },
}
const key = (port: number) => ({ concat: ['10.0.0.1', 'tcp', port] })
const addElements = (...ports: number[]): NftCommand => ({
  add: { element: { ...IN_TABLE, name: 'pairs', elem: ports.map((port) => [key(port), '10.0.0.9']) } },
})
const deleteElement = (port: number): NftCommand => ({ delete: { element: { ...IN_TABLE, name: 'pairs', elem: [key(port)] } } })

/** The witness: nft(8) started by the test itself. */
function nft(...args: string[]): string {
  return execFileSync('nft', args, { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } })
}

/** Ports of the map's elements as nft(8) prints them. */
function portsInKernel(): number[] {
  return [...nft('list', 'map', 'inet', 'contract', 'pairs').matchAll(/\. (\d+) :/g)]
    .map(([, port]) => Number(port))
    .toSorted((a, b) => a - b)
}

/** Those of the one map. */
function elementsIn(objects: readonly NftObject[] | undefined): unknown {
  const map = objects?.find((object) => 'map' in object)?.['map'] as { elem?: unknown } | undefined
  return map?.elem
}

/** Changes as they are told, one after the other. */
function changesOf(kernel: NftablesKernel) {
  const told: NftChange[] = []
  let wake = () => {}
  const end = kernel.onChange((change) => {
    told.push(change)
    wake()
  })
  const first = async () => {
    while (told.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return told.shift()
  }
  return { told, first, [Symbol.dispose]: end }
}

/** The same by each way. */
const byEach = (name: string, run: (kernel: NftablesKernel) => Promise<void>): NetfilterCheck[] =>
  WAYS.map((by) => ({
    name: `${name} (${by})`,
    run: async () => {
      await using kernel = await openNftablesKernel({ by })
      assert.equal(kernel.by, by)
      await run(kernel)
    },
  }))

export const NFTABLES_CONTRACT: readonly NetfilterCheck[] = [
  ...byEach('one transaction makes a table, a map and its elements', async (kernel) => {
    await kernel.apply([addTable, addMap, addElements(80, 443)])
    await kernel.apply([deleteElement(80), addElements(8080)])
    assert.deepEqual(portsInKernel(), [443, 8080])
  }),
  ...byEach('a refused command leaves nothing of the others behind', async (kernel) => {
    await kernel.apply([addTable, addMap, addElements(80)])
    const refused = kernel.apply([addElements(81), deleteElement(9999), addElements(82)])
    await assert.rejects(refused, ({ code, detail, message }) => {
      assert.deepEqual([code, detail.errno], ['KERNEL_REFUSED', 'ENOENT'])
      assert.match(message, /^nftables refused: Could not process rule: No such file or directory/)
      return true
    })
    assert.deepEqual(portsInKernel(), [80])
  }),
  ...byEach('a table that is not there is undefined, one that is there is read whole', async (kernel) => {
    assert.equal(await kernel.readTable('inet', 'contract'), undefined)
    await kernel.apply([addTable, addMap, addElements(80)])
    const objects = (await kernel.readTable('inet', 'contract')) ?? []
    assert.deepEqual(
      objects.map((object) => Object.keys(object)),
      [['table'], ['map']],
    )
    assert.deepEqual(elementsIn(objects), [[key(80), '10.0.0.9']])
    assert.equal(await kernel.readTable('ip', 'contract'), undefined)
  }),
  ...byEach('words that make no sense are refused with the reason', async (kernel) => {
    await assert.rejects(
      kernel.apply([{ add: { nonsense: {} } }]),
      /^PointsmanError: nftables refused: Unknown object passed to add command\. /,
    )
  }),
  ...byEach('a flush by another process is told, with its tables, and what we do ourselves is not', async (kernel) => {
    await kernel.apply([addTable, addMap])
    using changes = changesOf(kernel)
    await kernel.apply([addElements(...Array.from({ length: 5000 }, (_, index) => index + 1))])
    assert.equal(portsInKernel().length, 5000)
    nft('flush', 'ruleset')
    assert.deepEqual((await changes.first())?.tables, new Set(['inet contract']))
    await kernel.apply([addTable])
    nft('add', 'table', 'ip', 'elsewhere')
    assert.deepEqual((await changes.first())?.tables, new Set(['ip elsewhere']))
  }),
  ...byEach('a program that is started meanwhile inherits nothing', async (kernel) => {
    const inherited = () => execFileSync('/bin/ls', ['/proc/self/fd'], { encoding: 'utf8' })
    const before = inherited()
    const call = kernel.readTable('inet', 'contract')
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    // Nothing of the call can end while this thread waits for the program.
    assert.equal(inherited(), before)
    assert.equal(await call, undefined)
  }),
  {
    name: 'both ways read the same',
    run: async () => {
      await using one = await openNftablesKernel({ by: 'libnftables' })
      await using other = await openNftablesKernel({ by: 'nft' })
      nft(
        'table inet contract { map m { type ipv4_addr . inet_proto . inet_service : interval ipv4_addr . inet_service; elements = { 10.0.0.1 . tcp . 80 : 10.0.0.9-10.0.0.10 . 20000-30000 } ; }\n }',
      )
      nft('add chain inet contract post { type nat hook postrouting priority srcnat ; }')
      nft(
        'add rule inet contract post meta l4proto tcp snat ip to ct original ip daddr . meta l4proto . ct original proto-dst map @m fully-random comment "x ä"',
      )
      const read = await one.readTable('inet', 'contract')
      assert.equal(read?.length, 4)
      assert.deepEqual(read, await other.readTable('inet', 'contract'))
    },
  },
  {
    name: 'calls are done in the order in which they are made',
    run: async () => {
      await using kernel = await openNftablesKernel()
      const calls = [
        kernel.apply([addTable, addMap]),
        kernel.apply([addElements(1)]),
        kernel.apply([deleteElement(1), addElements(2)]),
      ]
      const read = kernel.readTable('inet', 'contract')
      await Promise.all(calls)
      assert.deepEqual(elementsIn(await read), [[key(2), '10.0.0.9']])
    },
  },
  {
    name: 'an nft that hangs is ended with all that it started, and the next call is made',
    run: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pointsman-nft-'))
      try {
        const program = join(folder, 'nft')
        // Hangs the first time, and holds its output open by a child.
        writeFileSync(
          program,
          `#!/bin/sh\nif [ -e ${folder}/pids ]; then exec nft "$@"; fi\nsleep 1000 &\necho $$ $! > ${folder}/pids\nwait\n`,
        )
        chmodSync(program, 0o755)
        await using kernel = await openNftablesKernel({ by: 'nft', nftProgram: program, deadlineMs: 2_000 })
        await assert.rejects(kernel.apply([addTable]), { code: 'KERNEL_STUCK', message: /has not come back for 2 s/ })
        const pids = readFileSync(join(folder, 'pids'), 'utf8').trim().split(' ')
        // SIGKILL takes a moment; a process that lives on keeps the check from ending.
        while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve))
        await untilAnswered(() => kernel.apply([addTable]))
        assert.match(nft('list', 'tables'), /inet contract/)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  },
]

/** Neither running nor waiting: dead and not yet seen by its parent is dead. */
function isAlive(pid: string): boolean {
  const path = `/proc/${pid}/stat`
  return existsSync(path) && !/\) Z /.test(readFileSync(path, 'utf8'))
}

/** As long as the one before has not come back calls are refused at once. */
async function untilAnswered(call: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'KERNEL_STUCK')) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
