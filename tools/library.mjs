// Makes dist/library: what `import 'pointsman'` gives, the thread that talks to the kernel for it, and their types.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { build } from 'esbuild'
import { COMMON, licenses, putWhole, root } from './bundling.mjs'

const folder = resolve(process.argv[2] ?? join(root, 'dist', 'library'))
const written = new Set()
const { metafile, outputFiles } = await build({
  ...COMMON,
  // A library finds its thread's file beside itself; a program of one file is that file.
  entryPoints: {
    library: join(root, 'src/library.ts'),
    'ipvs-worker-entry': join(root, 'src/kernel/worker/ipvs-worker-entry.ts'),
  },
  outdir: folder,
  // Node shows the line of an error that nobody caught, and one line is the whole library.
  lineLimit: 200,
  outExtension: { '.js': '.mjs' },
  write: false,
})
for (const { path, contents } of outputFiles) put(path, contents)
put(join(folder, 'LICENSES.txt'), licenses('the library', Object.keys(metafile.inputs)))

const emitted = mkdtempSync(join(tmpdir(), 'pointsman-types-'))
try {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.library.json'), '--outDir', emitted], { stdio: 'inherit' })
  copyTypes(join(emitted, 'library.d.ts'))
} finally {
  rmSync(emitted, { recursive: true, force: true })
}
// What an earlier version had and this one has not.
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
  if (entry.isFile() && !written.has(join(entry.parentPath, entry.name)))
    rmSync(join(entry.parentPath, entry.name), { force: true })

/** The folder is in the package as it is, so nothing unfinished is ever in it. */
function put(path, contents) {
  putWhole(path, contents, { beside: dirname(folder) })
  written.add(path)
}

/** Copies what the types of the library reach and nothing else: users have none of the packages that the rest is written with. */
function copyTypes(path, copied = new Set()) {
  if (copied.has(path)) return
  copied.add(path)
  const text = readFileSync(path, 'utf8').replace(/(from |import\()(['"])([^'"]+)\2/g, (_, word, quote, name) => {
    if (!name.startsWith('.')) throw new Error(`${relative(emitted, path)} needs the types of ${name}, which users may not have`)
    copyTypes(join(dirname(path), name.replace(/\.ts$/, '.d.ts')), copied)
    return `${word}${quote}${name.replace(/\.ts$/, '.js')}${quote}`
  })
  // Not every target has it in its own library.
  const reference = text.includes('AsyncDisposable') ? '/// <reference lib="esnext.disposable" />\n' : ''
  put(join(folder, 'types', relative(emitted, path)), `${reference}${text}`)
}
