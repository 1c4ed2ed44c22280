import { PASSED } from '../model/probe-result.ts'
import type { TlsProbeSpec } from '../model/probe-spec.ts'
import { overConnection } from './connection.ts'
import type { Probe } from './probe.ts'
import type { ProbeTarget } from './target.ts'
import { secure } from './tls-handshake.ts'
import { tlsMaterial } from './tls-material.ts'

/** Passes when the TLS handshake is done and the certificate is the expected one. Nothing is sent over it. */
export function tlsProbe(target: ProbeTarget, { tls }: TlsProbeSpec): Probe {
  return async (signal) => {
    const material = await tlsMaterial(tls, signal)
    if ('problem' in material) return { outcome: 'unknown', message: material.problem }
    const handshake = { target, tls, context: material.context }
    return overConnection(target, signal, (connection) => secure(connection, handshake, () => connection.settle(PASSED)))
  }
}
