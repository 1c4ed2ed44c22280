import type { SyslogProbeSpec } from '../model/probe-spec.ts'

/** Who sends a message, and when: milliseconds since the epoch. */
export interface SyslogSender {
  readonly at: number
  readonly host: string
  readonly pid: number
}

/** One message (RFC 5424, 6), without structured data. */
export function syslogMessage({ facility, severity, message }: SyslogProbeSpec, { at, host, pid }: SyslogSender): Buffer {
  const priority = facility * 8 + severity
  return Buffer.from(`<${priority}>1 ${new Date(at).toISOString()} ${hostName(host)} pointsman ${pid} probe - ${message}`)
}

/** The same behind its length, as it travels in a stream (RFC 6587, 3.4.1). */
export function counted(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${message.length} `), message])
}

/** Up to 255 printable characters of ASCII, or a dash for none. */
function hostName(host: string): string {
  return host.replaceAll(/[^!-~]/g, '').slice(0, 255) || '-'
}
