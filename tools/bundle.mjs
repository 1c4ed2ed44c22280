// Makes dist/pointsman.mjs, and LICENSES.txt beside it: the whole program in one ESM file, daemon and kernel worker alike.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { COMMON, licenses, putWhole, root } from './bundling.mjs'

const outfile = process.argv[2] ?? join(root, 'dist', 'pointsman.mjs')

/** The files of the status page, as src/admin/page-assets.ts takes them. */
function page() {
  const folder = join(root, 'src', 'admin', 'page')
  const names = readdirSync(folder).filter((name) => /\.(html|css|js|svg)$/.test(name))
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

const { metafile, outputFiles } = await build({
  ...COMMON,
  define: { ...COMMON.define, POINTSMAN_PAGE: JSON.stringify(page()) },
  entryPoints: [join(root, 'src', 'main.ts')],
  outfile,
  write: false,
})
for (const { contents } of outputFiles) putWhole(outfile, contents, { mode: 0o755 })
putWhole(join(dirname(outfile), 'LICENSES.txt'), licenses('pointsman.mjs', Object.keys(metafile.inputs)))
