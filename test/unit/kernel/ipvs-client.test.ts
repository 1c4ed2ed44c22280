import { afterEach, describe, expect, test, vi } from 'vitest'
import { openIpvsKernel } from '../../../src/kernel/for-daemon.ts'
import type { IpvsKernel } from '../../../src/kernel/for-sinks.ts'
import { destinationKey } from '../../../src/model/destination.ts'
import type { IpvsTable } from '../../../src/model/ipvs-table.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { destination, pool, tcp, virtualService } from './support/objects.ts'

const A = tcp('10.0.0.1')
const B = tcp('10.0.0.2')

let kernel: IpvsKernel | undefined
afterEach(async () => {
  await kernel?.[Symbol.asyncDispose]()
  kernel = undefined
})

async function open(query: string, options: Parameters<typeof openIpvsKernel>[0] = {}): Promise<IpvsKernel> {
  // A worker starts with a copy of the environment, and a query in its URL does not reach it.
  process.env['SCRIPTED_KERNEL'] = query
  const workerUrl = new URL('./support/scripted-worker.ts', import.meta.url)
  kernel = await openIpvsKernel({ workerUrl, ...options })
  return kernel
}

function names(count: number): Set<ReturnType<typeof destinationKey>> {
  return new Set(Array.from({ length: count }, (_, i) => destinationKey(destination(`10.1.${i >> 8}.${i & 255}`))))
}

const destinationsOf = (table: IpvsTable, identity = A) => table.get(serviceKey(identity))?.destinations

describe('writing and reading', () => {
  test('10,000 commands pass through two windows in order, and are read back', async () => {
    const it = await open('')
    const commands = [...pool(A, 9_000), ...pool(B, 1_000)]
    const report = await it.write(commands)
    expect(report).toMatchObject({ failures: [], sent: 10_002, sends: Math.ceil(10_002 / 64) })
    const table = await it.readTable()
    expect([...(destinationsOf(table)?.keys() ?? [])]).toEqual([...names(9_000)])
    expect(destinationsOf(table, B)?.size).toBe(1_000)
  })

  test('a refusal names the command by its position, also in a later window', async () => {
    const it = await open('')
    const commands = [...pool(A, 5_000), ...pool(A, 0)]
    expect((await it.write(commands)).failures).toEqual([{ index: 5_001, errno: 'EEXIST' }])
  })

  test('nothing to write sends nothing', async () => {
    const it = await open('')
    expect(await it.write([])).toEqual({ failures: [], sent: 0, bytes: 0, sends: 0 })
  })

  test('an answer that makes no sense rejects the write, and the next one finds its windows free', async () => {
    const it = await open('garble=2')
    const first = it.write(pool(A, 5_000))
    const second = it.write(pool(B, 5_000))
    await expect(first).rejects.toMatchObject({ code: 'NETLINK_PROTOCOL' })
    expect(await second).toMatchObject({ failures: [], sent: 5_001 })
    expect(destinationsOf(await it.readTable(), B)?.size).toBe(5_000)
  })

  test('calls made at once have their turns', async () => {
    const it = await open('')
    const answers = await Promise.all([it.write(pool(A, 3_000)), it.readTable(), it.write(pool(B, 10)), it.readTable()])
    expect([destinationsOf(answers[1])?.size, answers[1].size, answers[3].size], 'a write does not wait for a look').toEqual([
      3_000, 2, 2,
    ])
  })
})

describe('what did not change keeps its objects', () => {
  test('an unchanged table is the same table', async () => {
    const it = await open('')
    await it.write(pool(A, 10))
    const table = await it.readTable()
    expect(await it.readTable()).toBe(table)
  })

  test('one changed destination leaves its neighbours and the other services alone', async () => {
    const it = await open('')
    await it.write([...pool(A, 10), ...pool(B, 10)])
    const before = await it.readTable()
    await it.write([{ kind: 'edit-destination', service: A, destination: destination('10.1.0.3', 8080, { weight: 7 }) }])
    const after = await it.readTable()
    expect(after.get(serviceKey(B))).toBe(before.get(serviceKey(B)))
    expect(after.get(serviceKey(A))?.service).toBe(before.get(serviceKey(A))?.service)
    const same = [...names(10)].filter((key) => destinationsOf(after)?.get(key) === destinationsOf(before)?.get(key))
    expect(same).toHaveLength(9)
    const changed = destinationKey(destination('10.1.0.3'))
    expect([
      destinationsOf(before)?.get(changed)?.destination.weight,
      destinationsOf(after)?.get(changed)?.destination.weight,
    ]).toEqual([1, 7])
  })

  test('traffic changes the measurement and not the destination', async () => {
    const it = await open('traffic=1')
    await it.write(pool(A, 5))
    const before = await it.readTable()
    const after = await it.readTable()
    const key = destinationKey(destination('10.1.0.3'))
    const [old, now] = [destinationsOf(before)?.get(key), destinationsOf(after)?.get(key)]
    expect(now?.connections.active).toBeGreaterThan(old?.connections.active ?? Number.POSITIVE_INFINITY)
    expect(now?.destination).toBe(old?.destination)
  })

  test('a partial read knows the objects of the full one', async () => {
    const it = await open('')
    await it.write([...pool(A, 5), ...pool(B, 5)])
    const whole = await it.readTable()
    const part = await it.readServices([B])
    expect([...part.keys()]).toEqual([serviceKey(B)])
    expect(part.get(serviceKey(B))?.destinations).toEqual(whole.get(serviceKey(B))?.destinations)
    const key = destinationKey(destination('10.1.0.3'))
    expect(destinationsOf(part, B)?.get(key)).toBe(destinationsOf(whole, B)?.get(key))
  })

  test('a service that was deleted and made anew differently is seen as it is', async () => {
    const it = await open('')
    await it.write(pool(A, 3))
    await it.readTable()
    await it.write([
      { kind: 'delete-service', service: A },
      { kind: 'add-service', service: virtualService(A, { scheduler: 'mh' }) },
    ])
    const table = await it.readTable()
    expect(table.get(serviceKey(A))).toEqual({ service: virtualService(A, { scheduler: 'mh' }), destinations: new Map() })
  })
})

describe('torn dumps', () => {
  test('a service that the list misses is asked for alone', async () => {
    const it = await open('tear=services')
    await it.write([...pool(A, 3), ...pool(B, 3)])
    expect((await it.readTable()).size).toBe(1)
    const expected = new Map([
      [A, names(3)],
      [B, names(3)],
    ])
    const table = await it.readTable({ expected })
    expect([...table.keys()].sort()).toEqual([serviceKey(A), serviceKey(B)])
    expect(destinationsOf(table, B)?.size).toBe(3)
  })

  test('a destination that a dump misses is found by the next one', async () => {
    const it = await open('tear=once')
    await it.write(pool(A, 40))
    expect(destinationsOf(await it.readTable({ expected: new Map([[A, names(40)]]) }))?.size).toBe(40)
  })

  test('the copy of the full read is not spoilt by what was asked for alone', async () => {
    const it = await open('tear=once')
    await it.write(pool(A, 40))
    await it.readTable({ expected: new Map([[A, names(40)]]) })
    expect(destinationsOf(await it.readTable())?.size).toBe(40)
  })

  test('what is truly gone is absent after all, whole services included', async () => {
    const it = await open('')
    await it.write(pool(A, 40))
    const expected = new Map([
      [A, names(41)],
      [B, names(1)],
    ])
    const table = await it.readTable({ expected })
    expect([...table.keys()]).toEqual([serviceKey(A)])
    expect(destinationsOf(table)?.size).toBe(40)
    expect((await it.readServices([A, B], { expected })).size).toBe(1)
  })

  test('readServices unites the answers of a service as well', async () => {
    const it = await open('tear=once')
    await it.write(pool(A, 40))
    expect(destinationsOf(await it.readServices([A], { expected: new Map([[A, names(40)]]) }))?.size).toBe(40)
  })
})

describe('a kernel that does not come back', () => {
  test('is stuck after the deadline: waiting and later calls reject, the callback runs once', async () => {
    const onStuck = vi.fn()
    const it = await open('slow-from=2&slow-ms=8000', { deadlineMs: 300, onStuck })
    const started = performance.now()
    const write = it.write(pool(A, 1_000))
    const read = it.readTable()
    await expect(write).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    expect(performance.now() - started).toBeLessThan(6_000)
    await expect(read).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    await expect(it.readTimeouts()).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    expect(onStuck).toHaveBeenCalledTimes(1)
    expect(onStuck.mock.calls[0]?.[0]).toMatchObject({ code: 'KERNEL_STUCK' })
  })

  test('that is slow but makes progress is not stuck', async () => {
    const onStuck = vi.fn()
    const it = await open('slow-from=1&slow-ms=250', { deadlineMs: 1_000, onStuck })
    // Twelve batches of 250 ms each: three deadlines long.
    expect((await it.write(pool(A, 767))).failures).toEqual([])
    expect(onStuck).not.toHaveBeenCalled()
  })

  test('an idle kernel is not stuck', async () => {
    const onStuck = vi.fn()
    const it = await open('', { deadlineMs: 400, onStuck })
    await it.write(pool(A, 1))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect((await it.readTable()).size).toBe(1)
    expect(onStuck).not.toHaveBeenCalled()
  })
})

describe('a thread that dies', () => {
  test('while nobody waits for it is told once, and later calls reject', async () => {
    const onStuck = vi.fn()
    const it = await open('throw=1', { onStuck })
    await it.write(pool(A, 1))
    await vi.waitFor(() => expect(onStuck).toHaveBeenCalled(), 5_000)
    await expect(it.readTable()).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    await it[Symbol.asyncDispose]()
    expect(onStuck).toHaveBeenCalledTimes(1)
    expect(onStuck.mock.calls[0]?.[0]).toMatchObject({
      code: 'KERNEL_STUCK',
      message: expect.stringMatching(
        /^The thread .* is gone \(nobody expected this\), so nothing more is written: restart Pointsman/,
      ),
    })
  })

  test('in the middle of a call rejects what waits, and is told once', async () => {
    const onStuck = vi.fn()
    const it = await open('exit=2', { onStuck })
    await expect(it.write(pool(A, 1_000))).rejects.toMatchObject({
      code: 'KERNEL_STUCK',
      message: expect.stringContaining('it ended with exit code 7'),
    })
    await expect(it.readTimeouts()).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
    expect(onStuck).toHaveBeenCalledTimes(1)
  })
})

test('after it is disposed of every call rejects, and its end is no alarm', async () => {
  const onStuck = vi.fn()
  const it = await open('', { onStuck })
  await it[Symbol.asyncDispose]()
  await expect(it.readTable()).rejects.toMatchObject({ code: 'INTERNAL' })
  expect(onStuck).not.toHaveBeenCalled()
})

describe('who waits for whom', () => {
  test('a look at everything gives way to a write, and sees it then; one that brings its own signal does so by that alone', async () => {
    const it = await open('dump-ms=20')
    await it.write([...pool(A, 3), ...pool(B, 3)])
    await it.readTable()
    const order: string[] = []
    const look = it.readTable({ statistics: true }).finally(() => order.push('look'))
    const write = it.write(pool(tcp('10.0.0.3'), 1)).finally(() => order.push('write'))
    expect((await look).size).toBe(3)
    expect((await write).failures).toEqual([])
    expect(order).toEqual(['write', 'look'])

    const asking = new AbortController()
    const own = it.readTable({ signal: asking.signal })
    await it.write(pool(tcp('10.0.0.4'), 1))
    expect((await own).size, 'it was not broken off').toBe(3)
    const broken = it.readTable({ signal: asking.signal })
    asking.abort()
    await expect(broken).rejects.toBe(asking.signal.reason)
    expect((await it.readTable()).size).toBe(4)
  })
})
