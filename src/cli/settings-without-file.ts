import type { Overrides, Settings } from '../config/configuration.ts'
import { readSettings } from '../config/settings.ts'
import { issuesError } from '../document/issue.ts'

/**
 * What flags, variables and defaults say where there is no file. Throws BAD_INPUT. Apart from what reads files: the schema of the configuration costs more
 * time than all that the operator's commands do.
 */
export function settingsWithoutFile(overrides: Overrides): Settings {
  const { settings, issues } = readSettings({}, overrides)
  if (issues.length > 0) throw issuesError('BAD_INPUT', issues)
  return settings
}
