/** System calls, counted by strace. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

export interface Counted {
  readonly calls: number
  /** Bytes given to send(2) and its relatives. */
  readonly bytes: number
}

const OPTIONS = ['-f', '-q', '-s', '0', '-e', 'signal=none']

/** What a command does from its start to its end. */
export function traceCommand(argv: readonly string[], file: string): Counted {
  execFileSync('strace', [...OPTIONS, '-o', file, ...argv], { stdio: ['ignore', 'ignore', 'inherit'] })
  return countCalls(readFileSync(file, 'latin1'))
}

/** What a running process does, in all its threads, while `work` is under way. */
export async function traceProcess(pid: number, file: string, work: () => Promise<void>): Promise<Counted> {
  const strace = spawn('strace', ['-f', '-s', '0', '-e', 'signal=none', '-o', file, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(strace, 'exit')
  await new Promise<void>((resolve, reject) => {
    let said = ''
    strace.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      // Threads are attached one after the other, the last line before the first call says how many there were.
      if (said.includes('attached')) setTimeout(resolve, 200)
    })
    strace.once('exit', () => reject(new Error(`strace: ${said}`)))
  })
  try {
    await work()
  } finally {
    strace.kill('SIGINT')
    await ended
  }
  return countCalls(readFileSync(file, 'latin1'))
}

/** Counts the lines that begin a call; a call that another interrupted has a second line with its result. */
export function countCalls(text: string): Counted {
  let calls = 0
  let bytes = 0
  for (const line of text.split('\n')) {
    const call = /^(?:\d+\s+)?(\w+)\(/.exec(line)
    if (call) calls++
    const sent = /(?:^|\s)(?:<\.\.\. )?(?:sendto|sendmsg)(?:\(| resumed>).* = (\d+)$/.exec(line)
    if (sent) bytes += Number(sent[1])
  }
  return { calls, bytes }
}
