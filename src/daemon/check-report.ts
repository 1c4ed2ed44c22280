import type { CheckReport } from '../admin/status-schema.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import { wallTime } from '../steady-scheduler.ts'
import type { LastResult } from './probe-backends.ts'

type Layer = CheckReport['layer']

/** The layer at which a kind of probe ends where all is well. */
const LAYERS: { readonly [Kind in ProbeKind['kind']]?: Layer } = { tcp: 'L4', tls: 'L6' }

const WORDS = {
  refused: 'CON',
  unreachable: 'CON',
  'timed-out': 'TOUT',
  tls: 'RSP',
  'no-answer': 'TOUT',
  closed: 'RSP',
  'wrong-answer': 'RSP',
} as const

const GRAVITY: { readonly [Outcome in ProbeResult['outcome']]: number } = { failed: 2, unknown: 1, passed: 0 }

/** The last probe in HAProxy's words; of several checks the gravest, and of those the latest. Undefined: none has ended. */
export function checkReport(results: readonly LastResult[]): CheckReport | undefined {
  const [first, ...others] = results
  if (first === undefined) return undefined
  const { kind, result, took, at } = others.reduce(graver, first)
  const layer = layerOf(kind, result)
  const word = result.outcome === 'passed' ? 'OK' : result.outcome === 'failed' ? WORDS[result.failure] : undefined
  return {
    kind,
    code: word === undefined ? 'UNK' : `${layer}${word}`,
    layer,
    result: result.outcome,
    at: wallTime(at),
    duration_seconds: Math.round(took) / 1_000,
    ...(result.outcome !== 'passed' && { message: result.message }),
  }
}

function graver(a: LastResult, b: LastResult): LastResult {
  const [one, other] = [GRAVITY[a.result.outcome], GRAVITY[b.result.outcome]]
  return other > one || (other === one && b.at > a.at) ? b : a
}

function layerOf(kind: ProbeKind['kind'], result: ProbeResult): Layer {
  const usual = LAYERS[kind] ?? 'L7'
  if (result.outcome !== 'failed') return usual
  const { failure } = result
  if (failure === 'tls') return 'L6'
  return failure === 'refused' || failure === 'unreachable' || failure === 'timed-out' ? 'L4' : usual === 'L4' ? 'L7' : usual
}
