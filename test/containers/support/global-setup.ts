/** One container engine for the whole tier: started before its first file, with the image in it; ended after its last. */

import type { TestProject } from 'vitest/node'
import { importConsulImage } from './consul-image.ts'
import { startEngine } from './engine.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly engine: { readonly host: string; readonly address: string }
  }
}

export default async function setup(project: TestProject): Promise<() => PromiseLike<void>> {
  const engine = await startEngine()
  try {
    await importConsulImage(engine.env)
  } catch (error) {
    await engine[Symbol.asyncDispose]()
    throw error
  }
  project.provide('engine', { host: engine.host, address: engine.address })
  return () => engine[Symbol.asyncDispose]()
}
