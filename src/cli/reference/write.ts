import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { referenceFiles } from './files.ts'

/** Writes man pages and completions anew; run it after a change of the commands or of the schema. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
for (const [path, text] of referenceFiles()) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
