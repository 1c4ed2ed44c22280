import { resolve } from 'node:path'
import { accepted, refused } from '../../document/reading.ts'
import { either, mapping, optional } from '../../document/schema.ts'
import { line } from '../../document/values/choice.ts'
import { shortForm } from './short-form.ts'
import { sourceKind } from './source-kind.ts'

const path = line('the path of a YAML or JSON file', 4000)

const shortFile = shortForm('path', path)

const EXAMPLE = 'file: { path: /etc/pointsman/web.yaml }'

export const fileKind = sourceKind({
  schema: either(
    shortFile,
    mapping(
      { path: optional(path, 'Path of the file; relative paths begin at the directory of this configuration.') },
      'A file source.',
      {
        required: ['path'],
      },
    ),
    'A YAML or JSON file with a list of backends; it is watched.',
  ),
  example: EXAMPLE,
  toSpec(written, directory) {
    if (written.path === undefined) return refused('the file source has no path', `write ${EXAMPLE}`)
    return accepted({ kind: 'file', path: resolve(directory, written.path) })
  },
})
