import { vi } from 'vitest'
import { run } from '../../../src/cli/program.ts'

/** Runs a command line in this process and gives its exit code and what it printed. */
export async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const printed = { out: '', err: '' }
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text: unknown, done?: unknown) => {
    printed.out += String(text)
    if (typeof done === 'function') (done as () => void)()
    return true
  })
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text: unknown) => {
    printed.err += String(text)
    return true
  })
  try {
    return { code: await run(args), ...printed }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}
