// What every bundle is made with: the program's (bundle.mjs) and the library's (library.mjs). Only koffi stays outside, because it carries
// native code; it is looked for in node_modules beside or above the file.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Undefined where this is no checkout, or git is not there. */
function commit() {
  try {
    return execFileSync('git', ['-C', root, 'rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

/** zod's messages in fifty languages are a third of the program and would be read at every start; ours are our own. */
const englishOnly = {
  name: 'english only',
  setup({ onLoad }) {
    onLoad({ filter: /zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
      loader: 'js',
    }))
  },
}

/**
 * Imports of Node's own modules would all be hoisted to the top of the one file and loaded by every command and every thread,
 * and an import of node:http alone loads all of fetch. As CommonJS they are loaded by whoever needs them.
 */
const builtinsWhenNeeded = {
  name: 'builtins when needed',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, namespace }) =>
      namespace === 'builtin' ? { path, external: true } : { path, namespace: 'builtin' },
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
      loader: 'js',
    }))
  },
}

/** For esbuild; entry points and their place are the caller's. */
export const COMMON = {
  metafile: true,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: ['koffi'],
  // For Node rxjs offers CommonJS, of which nothing can be left out.
  alias: { rxjs: join(root, 'node_modules', 'rxjs', 'dist', 'esm', 'index.js') },
  plugins: [englishOnly, builtinsWhenNeeded],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'eof',
  logLevel: 'warning',
  define: { POINTSMAN_BUILD: JSON.stringify({ version, commit: commit() }) },
  // Some dependencies are CommonJS and ask for Node's own modules by require.
  banner: {
    js: "import { createRequire as pointsmanRequire } from 'node:module'; const require = pointsmanRequire(import.meta.url);",
  },
}

/**
 * Puts a file in its place when it is whole: two packages may be made of one checkout at the same time, and each takes what is there.
 * Until then it lies in `beside`, a folder on the same file system that no package takes all of.
 */
export function putWhole(path, contents, { beside = dirname(path), mode = 0o644 } = {}) {
  mkdirSync(dirname(path), { recursive: true })
  const unfinished = join(beside, `.${basename(path)}-${process.pid}`)
  writeFileSync(unfinished, contents, { mode })
  renameSync(unfinished, path)
}

/** The licences of the packages whose code is in a bundle; they ask to be passed on with it. */
export function licenses(what, inputs) {
  const folders = new Set(inputs.flatMap((path) => path.match(/.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []))
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry))
    const text =
      file === undefined ? 'It comes without a text of its licence.' : readFileSync(join(root, folder, file), 'utf8').trim()
    return `${name} ${version}: ${license}\n\n${text}\n`
  })
  return `Code of these packages is part of ${what}.\n\n${texts.join(`\n${'-'.repeat(72)}\n\n`)}`
}
