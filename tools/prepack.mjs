// What a package holds and no checkout has: the program and the library, each in one file. npm runs it before it packs.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './setup.mjs'

for (const tool of ['tools/bundle.mjs', 'tools/library.mjs'])
  execFileSync(process.execPath, [join(root, tool)], { stdio: ['ignore', 'inherit', 'inherit'] })
