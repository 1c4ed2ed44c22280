import { loadConfiguration } from '../config/load.ts'
import { type Issue, issuesError } from '../document/issue.ts'
import type { ServiceSpec } from '../model/service-spec.ts'

export interface ParseOptions {
  /** What messages call the text; `configuration` by default. Relative paths in it are taken from this path's directory. */
  readonly path?: string
  /** What `${env.NAME}` stands for; nothing by default, for a library does not look into the environment of its program. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** A configuration that may run. */
export interface ParsedConfiguration {
  /** Every default filled in, in the order of the text. */
  readonly services: readonly ServiceSpec[]
  /** What is accepted and does not do all that one might think. */
  readonly warnings: readonly Issue[]
}

/**
 * Reads a configuration (docs/configuration.md) as `pointsman validate` does: a text of YAML or JSON, or the object that such a text
 * would make. Pure; reads no files, so `include` and `parameters` are refused. Throws a PointsmanError with the code CONFIG_INVALID, whose
 * `detail.issues` has every fault with line, column, path and remedy.
 */
export function parseConfiguration(configuration: string | object, options: ParseOptions = {}): ParsedConfiguration {
  const { path = 'configuration', environment = {} } = options
  const text = typeof configuration === 'string' ? configuration : JSON.stringify(configuration, undefined, 1)
  const result = loadConfiguration({ path, bytes: Buffer.from(text) }, { environment })
  if (!result.ok) throw issuesError('CONFIG_INVALID', result.issues)
  return { services: result.configuration.services, warnings: result.warnings }
}
