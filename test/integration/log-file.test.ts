import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { scratchDirectory } from './scratch.ts'

/** Runs `start` until it ends; where the kernel has IPVS, until SIGTERM. */
async function started(...flags: string[]): Promise<{ readonly out: string; readonly err: string; readonly directory: string }> {
  const directory = await scratchDirectory()
  const path = join(directory, 'pointsman.yaml')
  await writeFile(path, `global: { state_dir: ${directory}/state, admin: "off" }\nservices: []\n`)
  const args = flags.map((flag) => flag.replace('DIRECTORY', directory))
  return new Promise((resolve) => {
    const argv = ['src/main.ts', 'start', '-c', path, ...args]
    execFile(process.execPath, argv, { timeout: 10_000 }, (_, out, err) => resolve({ out, err, directory }))
  })
}

test('start writes its log into the file and nothing to standard output', async () => {
  const { out, directory } = await started('--log-file', 'DIRECTORY/p.log')
  expect(out).toBe('')
  const lines = (await readFile(join(directory, 'p.log'), 'utf8')).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))[0]).toMatchObject({ level: 'info', msg: 'starting' })
  expect(lines.length).toBeGreaterThan(1)
}, 30_000)

test('start goes as far as without, and says so, where the file cannot be written', async () => {
  const without = await started()
  const { err, directory } = await started('--log-file', 'DIRECTORY/nowhere/p.log')
  expect(existsSync(join(directory, 'nowhere'))).toBe(false)
  const complaint = `pointsman: The log file ${directory}/nowhere/p.log cannot be written (ENOENT); lines wait for it, those beyond 4 MiB are lost.\n`
  expect(err).toContain(complaint)
  expect(err.replace(complaint, '')).toBe(without.err)
}, 30_000)
