import { isDeepStrictEqual } from 'node:util'
import { formatEndpoint, type IpAddress } from '../../model/address.ts'
import type { ImportedBackend, LeftOut } from '../imported.ts'
import { withPortThatCounts } from '../ports.ts'
import { readChecker } from './checkers.ts'
import type { Target } from './groups.ts'
import { type Counterparts, leftOut, unknown } from './notes.ts'
import type { Check, Surroundings } from './options.ts'
import { type Timing, takeTiming } from './timing.ts'
import type { Directive } from './tree.ts'
import { addressOf, forwarding, wholeNumber } from './values.ts'

/** A `real_server`, before the virtual server that it stands in is known to the last. */
export interface RealServer {
  readonly directive: Directive
  readonly address: IpAddress
  readonly port: number | undefined
  readonly weight: number
  readonly method: unknown
  readonly upper: number | undefined
  readonly lower: number | undefined
  readonly inhibit: boolean
  readonly checks: readonly Check[]
}

const NOTIFY = 'write global: { hooks: { exec: [...] } } with a program that looks at POINTSMAN_BACKEND and POINTSMAN_TO'

const KNOWN: Counterparts = {
  notify_up: ['programs are told of all backends, not of one', NOTIFY],
  notify_down: ['programs are told of all backends, not of one', NOTIFY],
  smtp_alert: ['no mail is sent', 'write global: { hooks: { webhook: ... } }, or alert on the metrics'],
  snmp_name: ['there is no SNMP here', 'use the metrics'],
  warmup: ['first probes are spread over the interval by themselves', 'do nothing, or write jitter'],
}

/** Everything of keepalived that stands in capitals is a checker. */
const CHECKER = /^[A-Z_]+(_GET|_CHECK)$/

export function readRealServer(
  directive: Directive,
  usual: { readonly port: number | undefined; readonly weight: number },
  around: Omit<Surroundings, 'server'>,
  notes: LeftOut[],
): RealServer | undefined {
  const { words, block = [] } = directive
  const address = addressOf(words[0])
  const own = words[1] === undefined ? undefined : wholeNumber(words[1])
  if (address === undefined || (words[1] !== undefined && own === undefined)) {
    notes.push(leftOut(directive, 'this is no address with a port', 'write the backend that is meant'))
    return undefined
  }
  const timing: Timing = { ...around.timing }
  const rest = block.filter((each) => !takeTiming(each, timing))
  const checks: Check[] = []
  const found: { weight?: number; method?: unknown; upper?: number; lower?: number } = {}
  for (const each of rest) {
    if (CHECKER.test(each.name)) {
      const surroundings = { ...around, timing, server: { address, port: own ?? usual.port ?? 0 } }
      checks.push(...readChecker(each, surroundings, notes))
    } else if (!takeNumbers(each, found)) notes.push(unknown(each, KNOWN))
  }
  const { weight = usual.weight, method, upper, lower } = found
  return { directive, address, port: own, weight, method, upper, lower, inhibit: timing.inhibit === true, checks }
}

function takeNumbers(
  { name, words, block }: Directive,
  found: { weight?: number; method?: unknown; upper?: number; lower?: number },
): boolean {
  const number = wholeNumber(words[0])
  if (block !== undefined) return false
  if (name === 'lb_kind' || name === 'lvs_method') {
    const method = forwarding(words)
    if (method !== undefined) found.method = method
    return method !== undefined
  }
  if (number === undefined) return false
  if (name === 'weight') found.weight = number
  else if (name === 'uthreshold') found.upper = number
  else if (name === 'lthreshold') found.lower = number
  else return false
  return true
}

/** The port that is written where it says none. */
export function portOf(port: number | undefined, target: Target): number {
  return port ?? (target.kind === 'fwmark' ? 0 : target.port)
}

export function backendOf(server: RealServer, method: unknown, target: Target): ImportedBackend {
  const { address, weight, upper, lower } = server
  const own = server.method ?? method
  const backend: ImportedBackend = {
    place: server.directive.place,
    notes: [],
    written: {
      address: formatEndpoint(address, portOf(server.port, target)),
      ...(weight !== 1 && { weight }),
      ...(!isDeepStrictEqual(own, method) && { forwarding: own }),
      ...(upper !== undefined && upper !== 0 && { upper_threshold: upper }),
      ...(lower !== undefined && lower !== 0 && { lower_threshold: lower }),
    },
  }
  const listen = target.kind === 'fwmark' ? undefined : formatEndpoint(target.address, target.port)
  return withPortThatCounts(backend, listen, own === 'nat' ? undefined : own)
}
