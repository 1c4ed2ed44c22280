import { expect, it } from 'vitest'
import { counted, syslogMessage } from '../../../src/health/syslog-message.ts'
import type { SyslogProbeSpec } from '../../../src/model/probe-spec.ts'

const SPEC: SyslogProbeSpec = { kind: 'syslog', transport: 'udp', facility: 16, severity: 6, message: 'wie geht’s?' }
const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6)

it('a message has the form of RFC 5424', () => {
  expect(syslogMessage(SPEC, { at: AT, host: 'lb1.example', pid: 42 }).toString()).toBe(
    '<134>1 2026-01-02T03:04:05.006Z lb1.example pointsman 42 probe - wie geht’s?',
  )
  expect(syslogMessage({ ...SPEC, facility: 0, severity: 0 }, { at: AT, host: '', pid: 1 }).toString()).toContain('<0>1 2026')
})

it('a name that has no place in a header does not get there', () => {
  expect(syslogMessage(SPEC, { at: AT, host: 'müller lb\n', pid: 42 }).toString()).toContain('Z mllerlb pointsman')
  expect(syslogMessage(SPEC, { at: AT, host: ' ', pid: 42 }).toString()).toContain('Z - pointsman')
  expect(syslogMessage(SPEC, { at: AT, host: 'x'.repeat(300), pid: 42 }).toString()).toContain(`Z ${'x'.repeat(255)} pointsman`)
})

it('in a stream the count is that of the bytes, not of the characters', () => {
  expect(counted(Buffer.from('für')).toString()).toBe('4 für')
})
