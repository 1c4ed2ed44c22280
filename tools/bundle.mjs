// Makes dist/pointsman.mjs, and LICENSES.txt beside it: the whole program in one ESM file, daemon and kernel worker alike.
import { chmodSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { COMMON, licenses, root } from './bundling.mjs'

const outfile = process.argv[2] ?? join(root, 'dist', 'pointsman.mjs')
const { metafile } = await build({ ...COMMON, entryPoints: [join(root, 'src', 'main.ts')], outfile })
chmodSync(outfile, 0o755)
writeFileSync(join(dirname(outfile), 'LICENSES.txt'), licenses('pointsman.mjs', Object.keys(metafile.inputs)))
