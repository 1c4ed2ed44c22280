import { hostname } from 'node:os'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { syslogProbe } from '../../../src/health/syslog.ts'
import type { SyslogProbeSpec } from '../../../src/model/probe-spec.ts'
import { type RsyslogServer, startRsyslog } from '../../peers/rsyslog.ts'
import { address, deserted, nothingIsLeft } from './bad-servers.ts'

let server: RsyslogServer
beforeAll(async () => {
  server = await startRsyslog()
})
afterAll(() => server[Symbol.asyncDispose]())

function ask(spec: Partial<SyslogProbeSpec>, target = { address: address(server.address), port: server.port }, within = 1_000) {
  const probe = syslogProbe(target, { kind: 'syslog', transport: 'udp', facility: 16, severity: 7, message: '', ...spec })
  return probe(AbortSignal.timeout(within))
}

describe.each(['udp', 'tcp'] as const)('a message over %s', (transport) => {
  it('comes in at rsyslog as it is meant', async () => {
    const message = `is anybody there, über ${transport}?`
    expect(await ask({ transport, facility: 3, severity: 5, message })).toEqual({ outcome: 'passed' })
    await expect
      .poll(() => server.records.find(({ text }) => text === message))
      .toEqual({
        facility: 'daemon',
        severity: 'notice',
        version: '1',
        host: hostname(),
        program: 'pointsman',
        pid: String(process.pid),
        id: 'probe',
        text: message,
      })
    await nothingIsLeft()
  })

  it('is refused where nobody listens', async () => {
    expect(await ask({ transport }, await deserted())).toMatchObject({ outcome: 'failed', failure: 'refused' })
    await nothingIsLeft()
  })
})

it('over TCP a hundred messages come in whole, none is lost by the way connections end', async () => {
  const messages = Array.from({ length: 100 }, (_, index) => `message ${index} of a hundred`)
  const results = await Promise.all(messages.map((message) => ask({ transport: 'tcp', message }, undefined, 5_000)))
  expect(results).toEqual(messages.map(() => ({ outcome: 'passed' })))
  await expect
    .poll(
      () =>
        server.records
          .map(({ text }) => text)
          .filter((text) => text.endsWith('of a hundred'))
          .sort(),
      { timeout: 10_000 },
    )
    .toEqual(messages.toSorted())
  await nothingIsLeft()
})

it('over TCP a server that hangs is found out although the kernel takes the message', async () => {
  server.freeze()
  onTestFinished(() => server.thaw())
  expect(await ask({ transport: 'tcp' })).toMatchObject({
    outcome: 'failed',
    failure: 'no-answer',
    message: `${server.address}:5514 takes the message and does not close the connection in time`,
  })
  await nothingIsLeft()
})
