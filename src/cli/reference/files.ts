import { configurationJsonSchema } from '../../config/json-schema.ts'
import { describedProgram } from '../program.ts'
import { commandPages } from './command-pages.ts'
import { bashCompletion, fishCompletion, zshCompletion } from './completions.ts'
import { manOfCommands } from './man-commands.ts'
import { manOfConfiguration, type SchemaNode } from './man-configuration.ts'

/** Man pages and completions as they are published: path from the project's root, and text. */
export function referenceFiles(): ReadonlyMap<string, string> {
  const pages = commandPages(describedProgram())
  return new Map([
    ['deploy/man/pointsman.1', manOfCommands(pages)],
    ['deploy/man/pointsman.yaml.5', manOfConfiguration(configurationJsonSchema() as SchemaNode)],
    ['deploy/completion/pointsman.bash', bashCompletion(pages)],
    ['deploy/completion/_pointsman', zshCompletion(pages)],
    ['deploy/completion/pointsman.fish', fishCompletion(pages)],
  ])
}
