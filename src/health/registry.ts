import type { ProbeKind } from '../model/probe-spec.ts'
import { agentProbe } from './agent.ts'
import { dnsProbe } from './dns.ts'
import { execProbe } from './exec.ts'
import { grpcProbe } from './grpc.ts'
import { httpProbe } from './http.ts'
import type { Probe } from './probe.ts'
import { smtpProbe } from './smtp.ts'
import { syslogProbe } from './syslog.ts'
import type { ProbeTarget } from './target.ts'
import { tcpProbe } from './tcp.ts'
import { tlsProbe } from './tls.ts'
import { udpProbe } from './udp.ts'

/** The probe of a kind, for one target. A new kind is a file beside this one and a case here. */
export function probeFor(kind: ProbeKind, target: ProbeTarget): Probe {
  switch (kind.kind) {
    case 'tcp':
      return tcpProbe(target, kind)
    case 'tls':
      return tlsProbe(target, kind)
    case 'http':
      return httpProbe(target, kind)
    case 'dns':
      return dnsProbe(target, kind)
    case 'udp':
      return udpProbe(target, kind)
    case 'syslog':
      return syslogProbe(target, kind)
    case 'grpc':
      return grpcProbe(target, kind)
    case 'smtp':
      return smtpProbe(target, kind)
    case 'exec':
      return execProbe(target, kind)
    case 'agent':
      return agentProbe(target, kind)
  }
}
