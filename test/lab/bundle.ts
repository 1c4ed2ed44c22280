/** Makes one JavaScript file of a TypeScript entry and all it imports, for the guest. */

import { build } from 'esbuild'
import { LabError } from './lab-error.ts'

/** Bundled CommonJS packages call `require` for Node's own modules. */
const banner = `import { createRequire as labCreateRequire } from 'node:module'
globalThis.require ??= labCreateRequire(import.meta.url)`

export interface BundleOptions {
  /** Packages left to be resolved in the guest, from the checkout's node_modules; koffi always is. */
  readonly external?: readonly string[]
}

export async function bundle(entry: string, options: BundleOptions = {}): Promise<Buffer> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['koffi', ...(options.external ?? [])],
    banner: { js: banner },
    logLevel: 'silent',
  }).catch((error: Error) => {
    throw new LabError(`cannot bundle ${entry}: ${error.message}`, { cause: error })
  })
  return Buffer.from(result.outputFiles[0]?.contents ?? new Uint8Array())
}
