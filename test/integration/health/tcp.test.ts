import { describe, expect, it } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { TcpProbeSpec } from '../../../src/model/probe-spec.ts'
import { startNginx } from '../../peers/nginx.ts'
import { address, BAD_MANNERS, deserted, nothingIsLeft, serving } from './bad-servers.ts'
import { probeOf } from './who-asks.ts'

function ask(target: ProbeTarget, spec: Omit<TcpProbeSpec, 'kind'> = {}) {
  return probeOf({ kind: 'tcp', ...spec }, target)(AbortSignal.timeout(1_500))
}

const PONG = { by: 'text', value: '+PONG' } as const

describe('what is sent', () => {
  it('arrives byte by byte, and its answer passes', async () => {
    const heard: Buffer[] = []
    const target = await serving((socket) =>
      socket.on('data', (chunk) => {
        heard.push(chunk)
        if (Buffer.concat(heard).toString('latin1') === '\x00\xffPING\r\n') socket.write('+PONG\r\n')
      }),
    )
    expect(await ask(target, { send: '\x00\xffPING\r\n', expect: PONG })).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('arrives where no answer is expected, too', async () => {
    const heard: string[] = []
    const target = await serving((socket) => socket.on('data', (chunk) => heard.push(chunk.toString())))
    expect(await ask(target, { send: 'x'.repeat(4_000) })).toEqual({ outcome: 'passed' })
    await expect.poll(() => heard.join('')).toBe('x'.repeat(4_000))
  })

  it('leaves from the address that is written', async () => {
    let from: string | undefined
    const target = await serving((socket) => {
      from = socket.remoteAddress
      socket.resume()
    })
    expect(await ask({ ...target, sourceAddress: address('127.0.0.9') }, { send: 'hello' })).toEqual({ outcome: 'passed' })
    await expect.poll(() => from).toBe('127.0.0.9')
  })
})

describe('an answer', () => {
  const greeting = (...pieces: string[]) =>
    serving(async (socket) => {
      for (const piece of pieces) {
        socket.write(piece)
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
    })

  it('that comes in pieces passes', async () => {
    expect(
      await ask(await greeting('220-wel', 'come\r\n220 ', 'ready\r\n'), { expect: { by: 'text', value: '220 ready' } }),
    ).toEqual({
      outcome: 'passed',
    })
    await nothingIsLeft()
  })

  it('may be bytes that are no text', async () => {
    const target = await serving((socket) => socket.write(Buffer.from([0x00, 0xfe, 0xff])))
    expect(await ask(target, { expect: { by: 'text', value: '\xfe\xff' } })).toEqual({ outcome: 'passed' })
    expect(await ask(target, { expect: { by: 'pattern', value: '^\\x00[\\xf0-\\xff]' } })).toEqual({ outcome: 'passed' })
  })

  it('that says what must not be said fails at once, and passes when it ends without it', async () => {
    const never = { by: 'text', value: 'ERR', not: true } as const
    expect(await ask(await greeting('-ERR full\r\n'), { expect: never })).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringMatching(/answers with "ERR"$/),
    })
    expect(await ask(await serving((socket) => socket.end('+OK\r\n')), { expect: never })).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('of another kind fails when it ends', async () => {
    const target = await serving((socket) => socket.end('-ERR\r\n'))
    expect(await ask(target, { expect: PONG })).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `127.0.0.1:${target.port} answers without "+PONG"`,
    })
    await nothingIsLeft()
  })

  it.each([
    ['accepts and never answers', ['no-answer'], /accepts the connection and does not answer in time$/],
    ['answers one byte a second', ['no-answer'], /does not answer in time$/],
    ['never ends its answer', ['wrong-answer'], /answers without "\+PONG"$/],
    ['closes at once', ['closed'], /closes the connection without an answer$/],
    ['resets at once', ['closed'], /resets the connection$/],
  ])('of a backend that %s fails in time, and no socket is left', async (manners, failures, message) => {
    const target = await serving(BAD_MANNERS[manners] ?? (() => {}))
    const begun = performance.now()
    const result = await ask(target, { send: 'PING\r\n', expect: PONG })
    expect(performance.now() - begun).toBeLessThan(2_500)
    expect(result).toMatchObject({ outcome: 'failed', message: expect.stringMatching(message) })
    expect(failures).toContain(result.outcome === 'failed' && result.failure)
    await nothingIsLeft()
  })

  it('is not waited for where nobody listens', async () => {
    expect(await ask(await deserted(), { expect: PONG })).toMatchObject({ failure: 'refused' })
  })
})

it('nginx answers what is sent to it', async () => {
  await using nginx = await startNginx({ server: 'location = /healthz { return 200 "ok"; }' })
  const target = { address: address(nginx.address), port: nginx.port }
  const expected = { by: 'pattern', value: '^HTTP/1\\.1 200 [^]*\r\n\r\nok$' } as const
  expect(await ask(target, { send: 'GET /healthz HTTP/1.0\r\n\r\n', expect: expected })).toEqual({ outcome: 'passed' })
  expect(await ask(target, { send: 'GET /other HTTP/1.0\r\n\r\n', expect: expected })).toMatchObject({ failure: 'wrong-answer' })
})
