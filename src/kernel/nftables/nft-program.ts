import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, writeSync } from 'node:fs'
import { join } from 'node:path'
import { memoryFile } from '../libc.ts'
import type { NftAnswer, NftRun, NftRunner } from './runner.ts'

/** Where systems keep their own programs; the PATH of a service says nothing about it. */
const FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/local/bin']

/** Bytes of an answer; a table of 100,000 elements has a tenth of it. */
const LARGEST_OUTPUT = 256 * 1024 * 1024
/** Bytes of its words that are kept. */
const LARGEST_WORDS = 16 * 1024

/** nft(8) as a program of its own for each command; undefined where it is not installed. */
export function findNftProgram(program = inFolders('nft')): NftRunner | undefined {
  if (program === undefined || !isProgram(program)) return undefined
  return { by: 'nft', run: (text) => run(program, text) }
}

/** Nothing of the process group that it leads outlives `abandon`. */
function run(program: string, text: string): NftRun {
  let child: ChildProcess | undefined
  const answer = new Promise<NftAnswer>((resolve, reject) => {
    child = start(program, text)
    const output = collect(child.stdout, LARGEST_OUTPUT, () => killGroup(child))
    const words = collect(child.stderr, LARGEST_WORDS)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const ended = signal === null ? '' : `it was ended by ${signal}`
      resolve({ done: code === 0, output: output(), words: ended || words() })
    })
  })
  const abandon = () => {
    killGroup(child)
    // Whoever left the group may hold them open.
    child?.stdout?.destroy()
    child?.stderr?.destroy()
  }
  return { answer, abandon }
}

function start(program: string, text: string): ChildProcess {
  // nft opens its input by name, which can be done with a file, not with the socket that Node would make; `-` is /dev/stdin, and not every /dev has it.
  const input = memoryFile('nft')
  try {
    for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(input, rest))
    return spawn(program, ['-j', '-f', '/proc/self/fd/0'], {
      cwd: '/',
      detached: true,
      env: { PATH: FOLDERS.join(':'), LC_ALL: 'C' },
      stdio: [input, 'pipe', 'pipe'],
    })
  } finally {
    closeSync(input)
  }
}

/** Keeps the first `limit` bytes of what a stream brings. */
function collect(stream: NodeJS.ReadableStream | null, limit: number, onTooMuch = () => {}): () => string {
  const chunks: Buffer[] = []
  let length = 0
  stream?.on('error', () => {})
  stream?.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= limit) chunks.push(chunk)
    else onTooMuch()
  })
  return () => Buffer.concat(chunks).toString()
}

/** It leads its group, so the group goes by its number; ESRCH: there is nobody left. */
function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {}
}

function inFolders(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
