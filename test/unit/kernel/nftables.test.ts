import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { NftChange } from '../../../src/kernel/for-sinks.ts'
import { SystemCallError } from '../../../src/kernel/libc.ts'
import { loadLibnftables } from '../../../src/kernel/nftables/libnftables.ts'
import { LinuxNftables } from '../../../src/kernel/nftables/linux-nftables.ts'
import { findNftProgram } from '../../../src/kernel/nftables/nft-program.ts'
import type { NftAnswer, NftRunner } from '../../../src/kernel/nftables/runner.ts'
import { reasonIn } from '../../../src/kernel/nftables/words.ts'
import { type NftablesSystem, openNftablesKernel } from '../../../src/kernel/open-nftables-kernel.ts'
import { attribute, failure, netfilterMessage, network32, scriptedSocket } from './support/netfilter-bytes.ts'

const generation = (id: number) => netfilterMessage(0x0a0f, 0, attribute(1, network32(id)))
const DONE: NftAnswer = { done: true, output: '', words: '' }
const refused = (words: string): NftAnswer => ({ done: false, output: '', words })

/** A way whose answers the test gives. */
class ScriptedRunner implements NftRunner {
  readonly by = 'nft'
  readonly asked: unknown[] = []
  readonly abandoned: number[] = []
  readonly #pending: PromiseWithResolvers<NftAnswer>[] = []

  run(text: string) {
    const number = this.asked.push(JSON.parse(text)) - 1
    const pending = Promise.withResolvers<NftAnswer>()
    this.#pending.push(pending)
    return { answer: pending.promise, abandon: () => void this.abandoned.push(number) }
  }

  answer(number: number, answer: NftAnswer | Error): void {
    if (answer instanceof Error) this.#pending[number]?.reject(answer)
    else this.#pending[number]?.resolve(answer)
  }
}

const TURN = async () => {
  for (let step = 0; step < 20; step++) await Promise.resolve()
}

function rig(generations: number[] = []) {
  const runner = new ScriptedRunner()
  const transport = scriptedSocket(() => [generation(generations.shift() ?? 0), failure(0)])
  const events: string[] = []
  let tell: (change: NftChange) => void = () => {}
  const watch = (listener: (change: NftChange) => void) => {
    tell = listener
    return {
      hold: () => void events.push('hold'),
      release: (own: number | undefined) => void events.push(`release ${own}`),
      [Symbol.dispose]: () => void events.push('end'),
    }
  }
  const kernel = new LinuxNftables({ runner, transport, watch, deadlineMs: 1000 })
  return { kernel, runner, transport, events, tell: (change: NftChange) => tell(change) }
}

describe('a call', () => {
  it('is one document; the next waits for its end', async () => {
    const { kernel, runner } = rig()
    const first = kernel.apply([{ add: { table: { family: 'inet', name: 't' } } }, { flush: { ruleset: null } }])
    const second = kernel.readTable('inet', 't')
    await TURN()
    expect(runner.asked).toEqual([
      { nftables: [{ add: { table: { family: 'inet', name: 't' } } }, { flush: { ruleset: null } }] },
    ])
    runner.answer(0, DONE)
    await first
    await TURN()
    expect(runner.asked[1]).toEqual({ nftables: [{ list: { table: { family: 'inet', name: 't' } } }] })
    runner.answer(1, { done: true, output: '{"nftables": [{"metainfo": {}}, {"table": {"name": "t"}}]}', words: '' })
    expect(await second).toEqual([{ table: { name: 't' } }])
  })

  it('without commands asks nothing', async () => {
    const { kernel, runner } = rig()
    await kernel.apply([])
    expect(runner.asked).toEqual([])
  })

  it.each<[NftAnswer | Error, object]>([
    [
      refused('internal:0:0-0: Error: Could not process rule: File exists\n\n'),
      { code: 'KERNEL_REFUSED', detail: { errno: 'EEXIST', reason: 'Could not process rule: File exists' } },
    ],
    [refused('netlink: Error: cache initialization failed: Operation not permitted\n'), { code: 'NO_PERMISSION' }],
    [refused(''), { code: 'KERNEL_REFUSED', message: expect.stringContaining('it gave no reason') }],
    [
      new SystemCallError('socket', 'EMFILE'),
      { code: 'KERNEL_REFUSED', message: expect.stringContaining('socket failed with EMFILE') },
    ],
  ])('that ends with %o rejects in a sentence, and the next one is made', async (answer, error) => {
    const { kernel, runner } = rig()
    const call = kernel.apply([{ flush: { ruleset: null } }])
    await TURN()
    runner.answer(0, answer)
    await expect(call).rejects.toMatchObject(error)
    const next = kernel.apply([{ flush: { ruleset: null } }])
    await TURN()
    runner.answer(1, DONE)
    await next
  })

  it('for a table that is not there gives undefined; other refusals and nonsense reject', async () => {
    const { kernel, runner } = rig()
    const answers = [
      refused('internal:0:0-0: Error: No such file or directory; did you mean table ‘t’ in family ip?\n'),
      refused('internal:0:0-0: Error: syntax error'),
      refused('Error: Could not open file "/dev/stdin": No such file or directory\n'),
      { ...DONE, output: 'nonsense' },
    ]
    const calls = answers.map(() => kernel.readTable('inet', 't'))
    const outcomes = Promise.allSettled(calls)
    for (const [number, answer] of answers.entries()) {
      await TURN()
      runner.answer(number, answer)
      await TURN()
    }
    expect(await outcomes).toEqual([
      { status: 'fulfilled', value: undefined },
      {
        status: 'rejected',
        reason: expect.objectContaining({ message: expect.stringContaining('nftables refused: syntax error.') }),
      },
      { status: 'rejected', reason: expect.objectContaining({ detail: { reason: expect.stringContaining('/dev/stdin') } }) },
      { status: 'rejected', reason: expect.objectContaining({ message: expect.stringContaining('cannot be read') }) },
    ])
  })
})

describe('past the deadline', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('a call is given up; others are refused at once until it has come back', async () => {
    const { kernel, runner } = rig()
    const first = kernel.apply([{ flush: { ruleset: null } }]).catch((error) => error)
    const waiting = kernel.readTable('inet', 't').catch((error) => error)
    await vi.advanceTimersByTimeAsync(999)
    expect(runner.abandoned).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await first).toMatchObject({ code: 'KERNEL_STUCK', message: expect.stringContaining('for 1 s') })
    expect(await waiting).toMatchObject({ code: 'KERNEL_STUCK' })
    await expect(kernel.readTable('inet', 't')).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    expect(runner.abandoned).toEqual([0])
    expect(runner.asked).toHaveLength(1)
    runner.answer(0, DONE)
    await TURN()
    const next = kernel.apply([{ flush: { ruleset: null } }])
    await TURN()
    runner.answer(1, DONE)
    await next
  })

  it('the end does not wait for what is stuck', async () => {
    const { kernel, transport } = rig()
    const call = kernel.apply([{ flush: { ruleset: null } }]).catch((error) => error)
    await vi.advanceTimersByTimeAsync(1000)
    await call
    await kernel[Symbol.asyncDispose]()
    expect(transport.closed).toBe(true)
  })
})

describe('changes', () => {
  const flush = [{ flush: { ruleset: null } }]

  it.each<[string, number[], NftAnswer, string]>([
    ['ours alone', [4, 5], DONE, 'release 5'],
    ['others at the same time', [4, 6], DONE, 'release undefined'],
    ['nothing came of it', [4, 4], DONE, 'release undefined'],
    ['refused, and others at the same time', [4, 5], refused('Error: x'), 'release undefined'],
  ])('of our own are known by the generation: %s', async (_, generations, answer, released) => {
    const { kernel, runner, events } = rig(generations)
    kernel.onChange(() => {})
    const call = kernel.apply(flush).catch(() => {})
    await TURN()
    expect(events).toEqual(['hold'])
    runner.answer(0, answer)
    await call
    expect(events).toEqual(['hold', released])
  })

  it('go to all listeners; the last that leaves ends the watch', async () => {
    const { kernel, tell, events } = rig()
    const heard: string[] = []
    const ends = ['one', 'other'].map((name) => kernel.onChange(({ tables }) => heard.push(`${name} ${[...(tables ?? [])]}`)))
    tell({ tables: new Set(['inet t']) })
    expect(heard).toEqual(['one inet t', 'other inet t'])
    for (const end of ends) end()
    expect(events).toEqual(['end'])
  })

  it('are of no concern while nobody listens', async () => {
    const { kernel, runner, transport } = rig()
    const call = kernel.apply(flush)
    await TURN()
    runner.answer(0, DONE)
    await call
    expect(transport.sent).toEqual([])
  })
})

describe('the end', () => {
  it('ends what is at work, waits for it, refuses what comes later', async () => {
    const { kernel, runner, transport } = rig()
    const call = kernel.apply([{ flush: { ruleset: null } }])
    await TURN()
    const end = kernel[Symbol.asyncDispose]()
    await TURN()
    expect(runner.abandoned).toEqual([0])
    expect(transport.closed).toBe(false)
    runner.answer(0, DONE)
    await call
    await end
    expect(transport.closed).toBe(true)
    await expect(kernel.readTable('inet', 't')).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})

describe('the choice', () => {
  const way = (by: NftRunner['by']): NftRunner => ({ by, run: () => ({ answer: Promise.resolve(DONE), abandon: () => {} }) })

  function system(has: readonly NftRunner['by'][], answer: number[][] = [generation(1), failure(0)]) {
    const transport = scriptedSocket(() => answer)
    const found: NftablesSystem = {
      open: () => transport,
      libnftables: () => (has.includes('libnftables') ? way('libnftables') : undefined),
      program: () => (has.includes('nft') ? way('nft') : undefined),
    }
    return { found, transport }
  }

  it.each<[NftRunner['by'][], NftRunner['by'] | undefined, string]>([
    [['libnftables', 'nft'], undefined, 'libnftables'],
    [['nft'], undefined, 'nft'],
    [['libnftables', 'nft'], 'nft', 'nft'],
    [['libnftables', 'nft'], 'libnftables', 'libnftables'],
  ])('of %j, asked for %s, is %s', async (has, by, chosen) => {
    await using kernel = await openNftablesKernel(by === undefined ? {} : { by }, system(has).found)
    expect(kernel.by).toBe(chosen)
  })

  it.each<[NftRunner['by'][], NftRunner['by'] | undefined, RegExp]>([
    [[], undefined, /Neither libnftables.so.1 nor the program nft .*`apt install nftables`/],
    [['nft'], 'libnftables', /libnftables.so.1 is not installed/],
    [['libnftables'], 'nft', /program nft is not installed/],
  ])('of %j, asked for %s, is NFT_MISSING', async (has, by, sentence) => {
    const { found, transport } = system(has)
    const opened = openNftablesKernel(by === undefined ? {} : { by }, found)
    await expect(opened).rejects.toMatchObject({ code: 'NFT_MISSING', message: expect.stringMatching(sentence) })
    expect(transport.closed).toBe(true)
  })

  it.each<[number, string, RegExp]>([
    [1, 'NO_PERMISSION', /CAP_NET_ADMIN/],
    [22, 'NFT_MISSING', /no nftables \(EINVAL\).*modprobe nf_tables/],
  ])('is not come to where the kernel answers errno %i: %s', async (errno, code, sentence) => {
    const { found, transport } = system(['libnftables', 'nft'], [failure(errno)])
    await expect(openNftablesKernel({}, found)).rejects.toMatchObject({ code, message: expect.stringMatching(sentence) })
    expect(transport.closed).toBe(true)
  })

  it.each<[string, string]>([
    ['EPROTONOSUPPORT', 'NFT_MISSING'],
    ['EMFILE', 'KERNEL_REFUSED'],
  ])('is not come to where there is no socket (%s): %s', async (errno, code) => {
    const open = () => {
      throw new SystemCallError('socket', errno)
    }
    await expect(openNftablesKernel({}, { ...system(['nft']).found, open })).rejects.toMatchObject({ code })
  })

  it('finds no library and no program of another name', () => {
    expect(loadLibnftables('libnftables-nosuch.so.1')).toBeUndefined()
    expect(findNftProgram('/nonexistent/nft')).toBeUndefined()
    expect(findNftProgram('/etc/passwd')).toBeUndefined()
  })
})

it.each([
  [
    'internal:0:0-0: Error: Could not process rule: No such file or directory\n\n',
    'Could not process rule: No such file or directory',
  ],
  ['/dev/stdin:1:1-5: Error: syntax error, unexpected string.\nfoo\n^^^\n', 'syntax error, unexpected string'],
  ['\n  it was ended by SIGKILL\n', 'it was ended by SIGKILL'],
  [`Error: ${'x'.repeat(1000)}`, 'x'.repeat(300)],
])('the reason in %j is %j', (words, reason) => {
  expect(reasonIn(words)).toBe(reason)
})
