import type { HttpSourceSpec } from '../../src/model/http-source-spec.ts'
import type { ServiceSpec } from '../../src/model/service-spec.ts'
import type { SourceEvent } from '../../src/model/source-event.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { key, numbers, spec } from '../unit/pipeline/makers.ts'
import { Listener } from './scratch.ts'

/** A list as Prometheus HTTP SD has it. */
export function groups(...members: number[]) {
  return [{ targets: members.map(key), labels: { zone: 'a' } }]
}

/** An http source that is asked ten times a second. */
export function inventory(url: string, more: Partial<HttpSourceSpec> = {}): HttpSourceSpec {
  return { kind: 'http', url, interval: 100, timeout: 2_000, maxSize: 1024 * 1024, ...more }
}

export interface WatchingOptions {
  readonly open?: ReturnType<typeof openSourceWith>
  readonly service?: ServiceSpec
}

/** Listens to a source; `says` and `fails` wait for its next word. */
export function watching(source: HttpSourceSpec, { open = openSourceWith(), service = spec() }: WatchingOptions = {}) {
  const listener = new Listener(open(source, service))
  const members = (event: SourceEvent) => (event.kind === 'pending' ? [] : numbers(event.set.backends))
  const says = (kind: SourceEvent['kind'], ...wanted: number[]) =>
    listener.until((last) => last.kind === kind && members(last).join() === wanted.map(key).sort().join(), `${kind} ${wanted}`)
  const fails = (message: string) =>
    listener.until((last) => last.kind !== 'fresh' && (last.failure?.message.includes(message) ?? false), message)
  return { listener, says, fails }
}
