import { PASSED } from '../model/probe-result.ts'
import type { UdpProbeSpec } from '../model/probe-spec.ts'
import { AnswerText, describeMismatch } from './answer-text.ts'
import { overDatagrams } from './datagrams.ts'
import type { Probe } from './probe.ts'
import type { ProbeTarget } from './target.ts'

/**
 * Sends one datagram. Where something is expected, the first datagram that comes back must have it; else any one passes, and so
 * does silence until the deadline, because most that speak UDP do not answer what they do not understand.
 */
export function udpProbe(target: ProbeTarget, { send, expect }: UdpProbeSpec): Probe {
  return (signal) =>
    overDatagrams(target, signal, {
      begin: (datagrams) => datagrams.send(Buffer.from(send, 'latin1')),
      onDatagram(datagram, datagrams) {
        if (expect === undefined) return datagrams.settle(PASSED)
        const answer = new AnswerText(expect, 'latin1')
        if (answer.add(datagram) ?? answer.end()) datagrams.settle(PASSED)
        else datagrams.fail('wrong-answer', `answers ${describeMismatch(expect)}`)
      },
      onSilence(datagrams) {
        if (expect === undefined) datagrams.settle(PASSED)
        else datagrams.fail('no-answer', 'does not answer in time')
      },
    })
}
