import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { UdpProbeSpec } from '../../../src/model/probe-spec.ts'
import { address, deserted, nothingIsLeft } from './bad-servers.ts'
import { probeOf } from './who-asks.ts'

/** A server that does with each datagram as it is told. Gives what came in, too. */
async function hearing(answer: (datagram: Buffer) => Buffer | undefined, host = '127.0.0.1') {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(0, host)
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  const heard: { datagram: Buffer; from: string }[] = []
  socket.on('message', (datagram, { port, address: from }) => {
    heard.push({ datagram, from })
    const back = answer(datagram)
    if (back !== undefined) socket.send(back, port, from)
  })
  const target: ProbeTarget = { address: address(host), port: socket.address().port }
  return { target, heard }
}

function ask(target: ProbeTarget, spec: Partial<UdpProbeSpec> = {}, within = 500) {
  return probeOf({ kind: 'udp', send: 'ping', ...spec }, target)(AbortSignal.timeout(within))
}

const EXPECT = { by: 'text', value: '\xff\x00pong' } as const

/** UDPWrap of the servers stays until the test is over. */
const left = () => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length

describe('a datagram', () => {
  it.each(['127.0.0.1', '::1'])('is sent as it is written, and its answer compared byte by byte (%s)', async (host) => {
    const { target, heard } = await hearing(() => Buffer.from('\x01\xff\x00pong', 'latin1'), host)
    expect(await ask(target, { send: '\x00\xe4', expect: EXPECT })).toEqual({ outcome: 'passed' })
    expect(heard.map(({ datagram }) => [...datagram])).toEqual([[0x00, 0xe4]])
    expect(await ask(target, { expect: { by: 'text', value: 'PONG' } })).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `${host === '::1' ? '[::1]' : host}:${target.port} answers without "PONG"`,
    })
    await expect.poll(left).toBe(1)
  })

  it('comes from the address that is wanted', async () => {
    const { target, heard } = await hearing((datagram) => datagram)
    expect(await ask({ ...target, sourceAddress: address('127.77.0.9') })).toEqual({ outcome: 'passed' })
    expect(heard).toMatchObject([{ from: '127.77.0.9' }])
    expect(await ask({ ...target, sourceAddress: address('192.0.2.7') })).toMatchObject({ outcome: 'unknown' })
    await expect.poll(left).toBe(1)
  })

  it.each([undefined, EXPECT])('is refused where nobody listens (%o)', async (expected) => {
    const target = await deserted()
    expect(await ask(target, expected === undefined ? {} : { expect: expected })).toEqual({
      outcome: 'failed',
      failure: 'refused',
      message: `127.0.0.1:${target.port} refuses connections`,
    })
    await nothingIsLeft()
  })

  it('that nobody answers fails where an answer is expected, else passes at the deadline', async () => {
    const { target, heard } = await hearing(() => undefined)
    const begun = performance.now()
    expect(await ask(target)).toEqual({ outcome: 'passed' })
    expect(performance.now() - begun).toBeGreaterThanOrEqual(490)
    expect(await ask(target, { expect: EXPECT })).toMatchObject({ outcome: 'failed', failure: 'no-answer' })
    expect(heard).toHaveLength(2)
    await expect.poll(left).toBe(1)
  })

  it('is not sent when there is no time, which tells nothing', async () => {
    const { target, heard } = await hearing(() => undefined)
    expect(await probeOf({ kind: 'udp', send: 'ping' }, target)(AbortSignal.abort())).toMatchObject({ outcome: 'unknown' })
    expect(heard).toEqual([])
    await expect.poll(left).toBe(1)
  })

  it('finds no way to where no host can be', async () => {
    expect(await ask({ address: address('255.255.255.255'), port: 9 })).toMatchObject({ outcome: 'unknown' })
    await nothingIsLeft()
  })
})
