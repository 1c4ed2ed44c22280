import { describe, expect, test, vi } from 'vitest'
import type { IpvsCommand } from '../../../src/kernel/for-sinks.ts'
import { encodeBatches } from '../../../src/kernel/ipvs/batches.ts'
import { COMMAND } from '../../../src/kernel/ipvs/constants.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import { CONTROL, ENTRY, GAVE_WAY, type TableDelta, WINDOW_BYTES, WINDOWS } from '../../../src/kernel/worker/jobs.ts'
import { KernelThread } from '../../../src/kernel/worker/kernel-thread.ts'
import { destination, pool, tcp } from './support/objects.ts'
import { ERRNO, overflow, ScriptedKernel } from './support/scripted-kernel.ts'

const A = tcp('10.0.0.1')
const B = tcp('10.0.0.2')

/** A kernel thread on a scripted kernel, in this thread. */
function thread(kernel = new ScriptedKernel(), loadModule: (name: string) => string | undefined = () => 'not found') {
  const control = new Int32Array(CONTROL.length)
  const windows = new Uint8Array(WINDOWS * WINDOW_BYTES)
  const opened: ScriptedKernel[] = []
  const openTransport = () => {
    opened.push(kernel)
    return kernel
  }
  const it = new KernelThread({ openTransport, loadModule, control, windows })
  const write = (commands: readonly IpvsCommand[], family = it.family) => {
    const { batches } = encodeBatches(new MessageWriter(windows.subarray(0, WINDOW_BYTES)), commands, 0, family)
    return it.run('send', { window: 0, batches }).failures
  }
  let generation = -1
  const read = (statistics = false): TableDelta => {
    const delta = it.run('read-table', { generation, statistics })
    if (delta === GAVE_WAY) throw new Error('nobody asked it to give way')
    generation = delta.generation
    return delta
  }
  return { it, kernel, control, opened, write, read }
}

const changedServices = ({ entries }: { entries: Int32Array }) => entries.length / ENTRY.length

describe('opening', () => {
  test('family id 0 is no family: the module is asked for once and its absence is an error with a cure', () => {
    const kernel = new ScriptedKernel()
    kernel.family = 0
    const asked: string[] = []
    const { it } = thread(kernel, (name) => {
      asked.push(name)
      return 'FATAL: Module ip_vs not found'
    })
    expect(() => it.run('open', {})).toThrow(
      expect.objectContaining({
        code: 'IPVS_MISSING',
        message: expect.stringMatching(/FATAL: Module ip_vs not found.*`modprobe ip_vs`/),
      }),
    )
    expect(asked).toEqual(['ip_vs'])
  })

  test('ENOENT is a missing module too, and one that can be loaded is found then', () => {
    const kernel = new ScriptedKernel()
    kernel.refuse = () => ({ errno: ERRNO.ENOENT })
    const { it } = thread(kernel, () => {
      kernel.refuse = () => undefined
      return undefined
    })
    it.run('open', {})
    expect(it.family).toBe(37)
  })

  test('EPERM is a missing capability', () => {
    const { it, kernel, write } = thread()
    it.run('open', {})
    kernel.refuse = () => ({ errno: ERRNO.EPERM })
    expect(() => it.run('read-table', { generation: -1, statistics: false })).toThrow(
      expect.objectContaining({ code: 'NO_PERMISSION' }),
    )
    expect(() => write(pool(A, 3))).toThrow(
      expect.objectContaining({ code: 'NO_PERMISSION', message: expect.stringContaining('CAP_NET_ADMIN') }),
    )
  })
})

describe('a module that was loaded again', () => {
  function reloaded() {
    const all = thread()
    all.it.run('open', {})
    all.kernel.family = 41
    return all
  }

  test('has another family number: a write is sent again under it', () => {
    const { kernel, write, it } = reloaded()
    expect(write(pool(A, 100), 37)).toEqual([])
    expect(it.family).toBe(41)
    expect([...kernel.services.values()].map(({ destinations }) => destinations.size)).toEqual([100])
  })

  test('a read is asked again under it', () => {
    const { it, read } = reloaded()
    expect(changedServices(read())).toBe(0)
    expect(it.family).toBe(41)
  })

  test('that is gone for good is a missing module, not a list of refusals', () => {
    const { kernel, write } = reloaded()
    kernel.family = 0
    expect(() => write(pool(A, 3), 37)).toThrow(expect.objectContaining({ code: 'IPVS_MISSING' }))
  })
})

describe('full reads', () => {
  function filled() {
    const all = thread()
    all.it.run('open', {})
    all.write([...pool(A, 20), ...pool(B, 3)])
    return all
  }

  test('hand over everything once and then only what differs', () => {
    const { read, write } = filled()
    expect(read()).toMatchObject({ whole: true, gone: [] })
    expect(read()).toMatchObject({ whole: false, gone: [], entries: new Int32Array(0), bytes: new Uint8Array(0) })
    write([{ kind: 'edit-destination', service: B, destination: destination('10.1.0.1', 8080, { weight: 9 }) }])
    expect(changedServices(read())).toBe(1)
    expect(changedServices(read())).toBe(0)
  })

  test('a service that is gone is named by its slot, one that comes back has another', () => {
    const { read, write } = filled()
    const first = read().entries[ENTRY.length + ENTRY.number]
    write([{ kind: 'delete-service', service: B }])
    expect(read()).toMatchObject({ gone: [first], entries: new Int32Array(0) })
    write(pool(B, 3))
    const again = read()
    expect([changedServices(again), again.gone]).toEqual([1, []])
    expect(again.entries[ENTRY.number]).not.toBe(first)
  })

  test('counters that were not read before are handed over when they are wanted', () => {
    const { read } = filled()
    read()
    expect(changedServices(read(true))).toBe(2)
    expect(changedServices(read(true))).toBe(0)
    expect(changedServices(read())).toBe(0)
  })

  test('a main thread that lost its copy gets everything again', () => {
    const { it } = filled()
    it.run('read-table', { generation: -1, statistics: false })
    expect(it.run('read-table', { generation: -1, statistics: false })).toMatchObject({ whole: true })
  })

  test('a read that breaks off is forgotten: the next one is whole, on a new socket', () => {
    const { kernel, read, opened } = filled()
    read()
    let receives = 0
    kernel.onReceive = () => {
      if (++receives === 4) throw overflow()
    }
    expect(() => read()).toThrow(expect.objectContaining({ code: 'KERNEL_REFUSED' }))
    expect(kernel.closed).toBe(true)
    expect(read()).toMatchObject({ whole: true })
    expect(opened).toHaveLength(2)
  })

  test('an interrupted dump is made again', () => {
    const { kernel, read } = filled()
    kernel.interrupted = 2
    expect(changedServices(read())).toBe(2)
    const dumps = kernel.sends.filter((bytes) => bytes[16] === COMMAND.getService)
    expect(dumps).toHaveLength(3)
  })

  test('a service that a dump repeats is taken once', () => {
    const { kernel, read } = filled()
    kernel.tear = (command, messages) => (command === COMMAND.getService ? [...messages, ...messages] : messages)
    expect(changedServices(read())).toBe(2)
  })

  test('a service that vanishes before its destinations are listed is not there', () => {
    const { kernel, read } = filled()
    kernel.tear = (command, messages) => {
      if (command === COMMAND.getService) kernel.services.delete([...kernel.services.keys()][1] ?? '')
      return messages
    }
    expect(changedServices(read())).toBe(1)
  })

  test('a service without destinations stays one', () => {
    const { read, write } = filled()
    write(pool(tcp('10.0.0.3'), 0))
    expect(changedServices(read())).toBe(3)
  })

  test('a datagram that was cut is a typed error and costs the socket', () => {
    const { kernel, read } = filled()
    kernel.perDatagram = 1000
    read()
    kernel.receive = (into) => {
      into.set(kernel.queue.shift() ?? [])
      return into.length + 1
    }
    expect(() => read()).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
    expect(kernel.closed).toBe(true)
  })
})

test('a job that was given up stops before its next write', () => {
  const { it, kernel, control, write } = thread()
  it.run('open', {})
  const before = kernel.sends.length
  kernel.refuse = () => {
    control[CONTROL.abandoned] = 1
    return undefined
  }
  expect(() => write(pool(A, 200))).toThrow(expect.objectContaining({ code: 'KERNEL_STUCK' }))
  expect(kernel.sends.length - before).toBe(1)
})

describe('a reading that is to give way', () => {
  test('is broken off between two questions, and the next one hands over what differs from the reading before', () => {
    const { it, kernel, control, write, read } = thread()
    it.run('open', {})
    write([...pool(A, 3), ...pool(B, 2)])
    read()
    const { generation } = read()
    write([{ kind: 'delete-destination', service: B, destination: destination('10.1.0.1') }])
    const before = kernel.sends.length
    control[CONTROL.giveWay] = 1
    expect(it.run('read-table', { generation, statistics: false })).toBe(GAVE_WAY)
    expect(kernel.sends.length - before, 'the services were listed, and none was looked into').toBe(1)
    control[CONTROL.giveWay] = 0
    const delta = read()
    expect(delta.whole).toBe(false)
    expect(changedServices(delta)).toBe(1)
    expect(changedServices(read())).toBe(0)
  })

  test('that was to be a whole one is a whole one afterwards', () => {
    const { it, control, write, read } = thread()
    it.run('open', {})
    write(pool(A, 3))
    control[CONTROL.giveWay] = 1
    expect(it.run('read-table', { generation: -1, statistics: false })).toBe(GAVE_WAY)
    control[CONTROL.giveWay] = 0
    const delta = read()
    expect(delta.whole).toBe(true)
    expect(changedServices(delta)).toBe(1)
  })

  /** Reads until it has asked for the destinations of so many services, and gives way. */
  function giveWayAfter({ it, kernel, control }: ReturnType<typeof thread>, services: number, generation: number) {
    let questions = 0
    const { send } = kernel
    kernel.send = (bytes) => {
      if (bytes[16] === COMMAND.getDest && ++questions === services) control[CONTROL.giveWay] = 1
      send.call(kernel, bytes)
    }
    expect(it.run('read-table', { generation, statistics: false })).toBe(GAVE_WAY)
    kernel.send = send
    control[CONTROL.giveWay] = 0
  }

  const questionsFor = (kernel: ScriptedKernel, from: number) =>
    kernel.sends.slice(from).filter((bytes) => bytes[16] === COMMAND.getDest).length

  test('goes on where it was, but for what was changed meanwhile', () => {
    const all = thread()
    const { it, kernel, write, read } = all
    it.run('open', {})
    const services = Array.from({ length: 10 }, (_, number) => tcp(`10.0.1.${number + 1}`))
    write(services.flatMap((service) => pool(service, 3)))
    read()
    const { generation } = read()
    giveWayAfter(all, 6, generation)
    const [second] = services.slice(1)
    write([{ kind: 'edit-destination', service: second as typeof A, destination: destination('10.1.0.1', 8080, { weight: 7 }) }])
    const before = kernel.sends.length
    const delta = read()
    expect(questionsFor(kernel, before), 'four that were not read, and the one that was written').toBe(5)
    expect(changedServices(delta)).toBe(1)
    expect(delta).toMatchObject({ whole: false, gone: [] })
    expect(changedServices(read())).toBe(0)
  })

  test('begins anew after a change that names nothing it knows, and when what it has read is old', () => {
    const all = thread()
    const { it, kernel, write, read } = all
    it.run('open', {})
    write([...pool(A, 3), ...pool(B, 2)])
    read()
    const { generation } = read()
    giveWayAfter(all, 1, generation)
    write(pool(tcp('10.0.0.9'), 1))
    let before = kernel.sends.length
    expect(changedServices(read())).toBe(1)
    expect(questionsFor(kernel, before)).toBe(3)
    giveWayAfter(all, 2, generation + 1)
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 2_001)
    before = kernel.sends.length
    expect(changedServices(read())).toBe(0)
    expect(questionsFor(kernel, before)).toBe(3)
    clock.mockRestore()
  })
})
