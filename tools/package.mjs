// Makes pointsman-VERSION.tgz for `npm install -g` from a fresh bundle, as `npm pack` does, whether npm runs a package's scripts or not.
// Usage: node tools/package.mjs [FOLDER]; prints where the package is.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { root } from './setup.mjs'

const folder = resolve(process.argv[2] ?? join(root, 'dist'))
mkdirSync(folder, { recursive: true })
execFileSync(process.execPath, [join(root, 'tools/prepack.mjs')], { stdio: ['ignore', 'inherit', 'inherit'] })
const answer = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
})
console.log(join(folder, JSON.parse(answer)[0].filename))
