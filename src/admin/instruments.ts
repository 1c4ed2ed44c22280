import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { DurationTallies } from './duration-tallies.ts'
import { DEFINITIONS, type MetricDefinition, type MetricKey } from './metric-definitions.ts'

type Instrument<D extends MetricDefinition> = D['type'] extends 'counter'
  ? Counter
  : D['type'] extends 'gauge'
    ? Gauge
    : D['tallied'] extends true
      ? DurationTallies
      : Histogram

/** What counts and measures, by the names of the definitions. */
export type Instruments = { readonly [K in MetricKey]: Instrument<(typeof DEFINITIONS)[K]> }

/** One for each definition. Those that are tallied write their own text and are in no registry. */
export function instruments(registry: Registry): Instruments {
  const registers = [registry]
  const make = ({
    type,
    name,
    help,
    labels: labelNames,
    buckets = [],
    tallied,
  }: MetricDefinition): Counter | Gauge | Histogram | DurationTallies => {
    if (type === 'counter') return new Counter({ name, help, labelNames: [...labelNames], registers })
    if (type === 'gauge') return new Gauge({ name, help, labelNames: [...labelNames], registers })
    if (tallied === true) return new DurationTallies({ name, help, label: labelNames[0], bounds: buckets })
    return new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers })
  }
  return Object.fromEntries(Object.entries(DEFINITIONS).map(([key, definition]) => [key, make(definition)])) as Instruments
}

/** prom-client calls `collect` of a metric before it renders it; setting it later spares a second table of closures. */
export function onCollect<M extends Counter | Gauge>(metric: M, collect: (metric: M) => void): void {
  Object.assign(metric, { collect: () => collect(metric) })
}
