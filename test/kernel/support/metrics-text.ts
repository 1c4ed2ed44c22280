/** The Prometheus text format, read by as little code as it takes (format 0.0.4). */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export class MetricsText {
  readonly samples: readonly Sample[]

  constructor(text: string) {
    this.samples = text.split('\n').flatMap((line) => (line === '' || line.startsWith('#') ? [] : [readSample(line)]))
  }

  /** Every sample of the name whose labels hold at least these. */
  all(name: string, labels: Readonly<Record<string, string>> = {}): readonly Sample[] {
    const wanted = Object.entries(labels)
    return this.samples.filter((sample) => sample.name === name && wanted.every(([label, text]) => sample.labels[label] === text))
  }

  /** Sum of those samples; 0 where there is none, as for a counter that has never counted. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.all(name, labels).reduce((sum, { value }) => sum + value, 0)
  }

  /** The one sample. */
  one(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const [sample, ...more] = this.all(name, labels)
    if (sample === undefined || more.length > 0)
      throw new Error(
        `${more.length === 0 && sample === undefined ? 'no' : more.length + 1} samples of ${name} ${JSON.stringify(labels)}`,
      )
    return sample.value
  }

  /** Changes that the kernel has taken, of every kind. */
  get changes(): number {
    return this.sum('pointsman_sink_changes_total')
  }

  get drift(): number {
    return this.sum('pointsman_sink_drift_repaired_total')
  }
}

function readSample(line: string): Sample {
  const [, name = '', inner = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === '') throw new Error(`not a line of the Prometheus text format: ${line}`)
  const labels: Record<string, string> = {}
  for (const [, label = '', text = ''] of inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[label] = text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return { name, labels, value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value) }
}
