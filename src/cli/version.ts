import { release } from 'node:os'
import { currentBuild } from '../build.ts'
import { EXIT } from '../errors.ts'
import { print, printJson } from './terminal.ts'

/** `pointsman version` */
export async function run(options: { readonly json?: boolean }): Promise<number> {
  const { version, commit, node } = currentBuild()
  const kernel = release()
  if (options.json) await printJson({ version, ...(commit !== undefined && { commit }), node, kernel })
  else {
    const parts = [...(commit === undefined ? [] : [`commit ${commit.slice(0, 12)}`]), `Node ${node}`, `Linux ${kernel}`]
    await print(`pointsman ${version} (${parts.join(', ')})`)
  }
  return EXIT.ok
}
