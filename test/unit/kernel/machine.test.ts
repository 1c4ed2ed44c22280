import { readFileSync, readlinkSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { capabilitiesIn } from '../../../src/kernel/capabilities.ts'
import {
  effectiveCapabilities,
  kernelIdentity,
  loadedModules,
  moduleState,
  readSysctl,
  schedulerState,
  systemdNotify,
} from '../../../src/kernel/for-daemon.ts'
import { AF_UNIX, RawSocket, SOCK_DGRAM } from '../../../src/kernel/libc.ts'

describe('the kernel and its namespace', () => {
  test('are named by the boot and the inode of the network namespace', () => {
    const { bootId, netnsInode } = kernelIdentity()
    expect(bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
    expect(readlinkSync('/proc/self/ns/net')).toBe(`net:[${netnsInode}]`)
  })
})

describe('sysctls', () => {
  test('are read by their dotted names', () => {
    expect(readSysctl('kernel.ostype')).toBe('Linux')
    expect(readSysctl('net.ipv4.conf.lo.rp_filter')).toMatch(/^[012]$/)
  })

  test.each(['net.ipv4.vs.nosuch', 'kernel', '', '..', '../../etc/passwd', 'kernel..ostype', 'kernel.ostype.'])(
    '%j is none',
    (name) => {
      expect(readSysctl(name)).toBeUndefined()
    },
  )
})

describe('capabilities', () => {
  test('are read from the bits of the status file', () => {
    expect([...capabilitiesIn('Name:\tnode\nCapInh:\tffffffffffffffff\nCapEff:\t0000000000001000\n')]).toEqual(['CAP_NET_ADMIN'])
    expect(capabilitiesIn('CapEff:\t0000000000000000\n').size).toBe(0)
    expect(capabilitiesIn('CapEff:\t000001ffffffffff\n').size).toBe(41)
    expect([...capabilitiesIn('CapEff:\t0000010000000001\n')]).toEqual(['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE'])
  })

  test('of this process are those that the kernel says', () => {
    const bits = BigInt(`0x${/CapEff:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`)
    expect(effectiveCapabilities().has('CAP_NET_ADMIN')).toBe(((bits >> 12n) & 1n) === 1n)
  })
})

describe('modules', () => {
  test('a name that no module can have is missing, without modprobe being asked', () => {
    expect(moduleState('--config=/etc/passwd')).toBe('missing')
    expect(schedulerState('w rr')).toBe('missing')
  })

  test('every loaded module is found loaded', () => {
    for (const name of [...loadedModules()].slice(0, 3)) expect(moduleState(name)).toBe('loaded')
  })

  test('one that does not exist is never called loaded', () => {
    expect(['missing', 'unknown']).toContain(schedulerState('nosuch'))
  })
})

describe('the service manager', () => {
  afterEach(() => {
    delete process.env['NOTIFY_SOCKET']
  })

  test.each([undefined, '', 'relative', '@', `/${'x'.repeat(200)}`, '/nonexistent/socket', 'vsock:2:1234'])(
    'behind %j is told nothing, which is no error',
    (name) => {
      if (name !== undefined) process.env['NOTIFY_SOCKET'] = name
      expect(systemdNotify('READY=1')).toBe(false)
    },
  )

  test('gets the words as one datagram', () => {
    const name = `pointsman-test-${process.pid}`
    using manager = new RawSocket(AF_UNIX, SOCK_DGRAM, 0)
    manager.bind(Buffer.from([AF_UNIX, 0, 0, ...Buffer.from(name)]))
    process.env['NOTIFY_SOCKET'] = `@${name}`
    expect(systemdNotify('READY=1\nSTATUS=3 services')).toBe(true)
    const bytes = Buffer.alloc(100)
    expect(bytes.toString('utf8', 0, manager.receive(bytes))).toBe('READY=1\nSTATUS=3 services')
    expect(manager.receive(bytes)).toBeUndefined()
  })
})

describe('sockets', () => {
  test('name the reason of a failure', () => {
    using socket = new RawSocket(AF_UNIX, SOCK_DGRAM, 0)
    expect(() => socket.sendTo(new Uint8Array(1), Buffer.from([AF_UNIX, 0, 0, 0x2f]))).toThrow(
      expect.objectContaining({ call: 'sendto', errno: 'ECONNREFUSED' }),
    )
    expect(() => new RawSocket(12345, SOCK_DGRAM, 0)).toThrow(expect.objectContaining({ call: 'socket', errno: 'EAFNOSUPPORT' }))
  })

  test('tell how long a datagram was that they had to cut', () => {
    using socket = new RawSocket(AF_UNIX, SOCK_DGRAM, 0)
    const address = Buffer.from([AF_UNIX, 0, 0, ...Buffer.from(`pointsman-cut-${process.pid}`)])
    socket.bind(address)
    expect(socket.receive(new Uint8Array(10))).toBeUndefined()
    socket.sendTo(new Uint8Array(100), address)
    expect(socket.receive(new Uint8Array(10))).toBe(100)
  })

  test('are closed once, and of no use afterwards', () => {
    const socket = new RawSocket(AF_UNIX, SOCK_DGRAM, 0)
    socket[Symbol.dispose]()
    socket[Symbol.dispose]()
    expect(() => socket.receive(new Uint8Array(1))).toThrow(expect.objectContaining({ errno: 'EBADF' }))
  })
})
