import { accepted, type Grammar, refused, showAddress } from '../../document/reading.ts'
import { mapping, value } from '../../document/schema.ts'
import { line, secretLine } from '../../document/values/choice.ts'
import { asWritten } from '../parameters/template.ts'
import { listOf } from '../shared-schema.ts'

const anyPath = line('the path of a file', 4000)

/** `instead`: where an address is right. */
function path(instead: string): Grammar<string> {
  return {
    jsonSchema: anyPath.jsonSchema,
    read(raw) {
      const reading = anyPath.read(raw)
      if (!reading.ok || !/^[a-z]+:\/\//i.test(reading.value)) return reading
      return refused(`${showAddress(reading.value)} is an address, and files are named here`, instead)
    },
  }
}

const address = secretLine('the address of a document', 4000)

const REMEDY = 'write the address of a document in YAML or JSON, such as https://inventory.example/parameters.json'

/** An absolute http or https address; stays as it is written. */
const documentUrl: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^https?://[^@/?#]+([/?]|$)' },
  read(raw) {
    const reading = address.read(raw)
    if (!reading.ok) return reading
    const parsed = URL.parse(reading.value)
    if (parsed === null || !['http:', 'https:'].includes(parsed.protocol))
      return refused(`${showAddress(reading.value)} is not an http address`, REMEDY)
    if (parsed.username !== '' || parsed.password !== '')
      return refused('the address holds a user name or password, which would appear in logs', 'write the address without them')
    return accepted(reading.value)
  },
}

/** Files that bring more services and catalogs. */
export const includeSchema = listOf(
  value(
    path('write the path of a file on this host'),
    'A path; * is any text within a name, ? any character, [a-z] one of a set.',
  ),
  'Files with more services and catalogs: paths or patterns such as conf.d/*.yaml, from the directory of this file on.',
)

/** Documents whose entries are parameters. */
export const parametersSchema = mapping(
  {
    files: listOf(
      value(
        path('write it under parameters.urls'),
        'A YAML or JSON file; its path begins at the directory of the configuration.',
      ),
      `Files whose entries are parameters: ${asWritten('ports.web')}. The first that has an entry counts.`,
    ).optional(),
    urls: listOf(
      value(documentUrl, 'Address of a YAML or JSON document.'),
      'Documents of web servers whose entries are parameters, read at every load; files come first.',
    ).optional(),
  },
  `Documents whose entries may stand in texts as ${asWritten('some.entry')}.`,
)
