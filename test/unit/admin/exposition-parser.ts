/** One sample of the Prometheus text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly text: string
}

export interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: Sample[]
}

/**
 * Reads an exposition as strictly as Prometheus does: HELP and TYPE before the samples, every family once and in one
 * piece, no series twice, a newline at the end. Throws where it is wrong.
 */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no newline')
  const families = new Map<string, ParsedFamily>()
  const helps = new Map<string, string>()
  const seen = new Set<string>()
  let current: ParsedFamily | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const help = line.match(/^# HELP (\S+) (.*)$/)
    const type = line.match(/^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/)
    if (help) helps.set(help[1] ?? '', help[2] ?? '')
    else if (type) {
      const name = type[1] ?? ''
      if (families.has(name)) throw new Error(`family ${name} comes twice`)
      current = { name, type: type[2] ?? '', help: helps.get(name) ?? '', samples: [] }
      families.set(name, current)
    } else {
      const sample = parseSample(line)
      if (current === undefined || !belongs(sample.name, current)) throw new Error(`${sample.name} stands outside its family`)
      const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`
      if (seen.has(series)) throw new Error(`series twice: ${line}`)
      seen.add(series)
      current.samples.push(sample)
    }
  }
  return families
}

/** The value of the one sample with these labels; undefined where there is none. */
export function sampleOf(
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const found = families
    .get(name)
    ?.samples.filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
  if (found !== undefined && found.length > 1)
    throw new Error(`${name} has ${found.length} samples for ${JSON.stringify(labels)}`)
  return found?.[0]?.value
}

function belongs(sample: string, family: ParsedFamily): boolean {
  if (family.type !== 'histogram' && family.type !== 'summary') return sample === family.name
  return sample.startsWith(family.name) && /^(|_bucket|_sum|_count)$/.test(sample.slice(family.name.length))
}

function parseSample(line: string): Sample {
  const match = line.match(/^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/)
  if (!match) throw new Error(`not a sample: ${line}`)
  const text = match[3] ?? ''
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text)
  if (Number.isNaN(value) && text !== 'Nan') throw new Error(`not a number: ${line}`)
  return { name: match[1] ?? '', labels: parseLabels(match[2] ?? ''), value, text }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const match = rest.match(/^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/)
    if (!match) throw new Error(`not labels: ${text}`)
    const name = match[1] ?? ''
    if (name in labels) throw new Error(`label ${name} twice: ${text}`)
    labels[name] = (match[2] ?? '').replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    rest = rest.slice(match[0].length)
  }
  return labels
}
