import { accepted } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { choice, secretLine } from '../../document/values/choice.ts'
import { probeKind } from './probe-kind.ts'

/** Names of the facilities 0 to 23 and the severities 0 to 7 (RFC 5424, 6.2.1), as syslog.conf(5) has them. */
const FACILITIES = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  'ntp',
  'audit',
  'alert',
  'clock',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const
const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const

const syslogKeys = mapping(
  {
    transport: optional(choice(['udp', 'tcp']), 'udp (by default) or tcp.'),
    facility: optional(choice(FACILITIES), 'Facility of the message; daemon by default.'),
    severity: optional(choice(SEVERITIES), 'Severity of the message; debug by default.'),
    message: optional(secretLine('a message', 1000), 'Text of the message; "health check" by default.'),
  },
  'A message in the form of RFC 5424.',
)

export const syslogKind = probeKind({
  schema: section(syslogKeys),
  example: 'syslog: { transport: tcp, facility: local0, message: health check }',
  toSpec({ transport = 'udp', facility = 'daemon', severity = 'debug', message = 'health check' }) {
    return accepted({
      kind: 'syslog',
      transport,
      facility: FACILITIES.indexOf(facility),
      severity: SEVERITIES.indexOf(severity),
      message,
    })
  },
})
