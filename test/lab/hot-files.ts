/** Programs that tests start again and again. */

import { readFileSync, realpathSync } from 'node:fs'
import { command } from './command.ts'

const programs = 'sh ip ipvsadm nft cat grep sleep pgrep kill sysctl modprobe'.split(' ')
const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

function find(program: string): string | undefined {
  for (const folder of folders) {
    try {
      return realpathSync(`${folder}/${program}`)
    } catch {
      // Not in this one.
    }
  }
  return undefined
}

/** The files that the dynamic linker opens for a program. */
async function libraries(files: readonly string[]): Promise<readonly string[]> {
  const text = await command(['ldd', ...files])
  return [...text.matchAll(/(?:=> |^\t)(\/\S+)/gm)].map((match) => realpathSync(match[1] ?? '/'))
}

/**
 * The files that the virtual machine takes into its own memory when it starts: each open of a file on the host is several
 * round trips to the emulator, a quarter of a second for one program on a busy machine.
 */
export async function hotFiles(): Promise<readonly string[]> {
  const files = programs.map(find).filter((file) => file !== undefined)
  const binaries = files.filter((file) => readFileSync(file).subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1')))
  return [...new Set([...files, ...(await libraries([...binaries, process.execPath])), '/etc/ld.so.cache'])]
}
