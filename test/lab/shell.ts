/**
 * The lab from a terminal:
 *
 *   node test/lab/shell.ts -- COMMAND...            boot, run one command, end
 *   node test/lab/shell.ts -- script.ts ARG...      the same with a TypeScript file, bundled
 *   node test/lab/shell.ts --keep                   boot and stay until Ctrl-C
 *   node test/lab/shell.ts --attach -- COMMAND...   run in the lab that stays
 *
 * Several may stay, told apart by `--name NAME` beside --keep and --attach. `--netns NAME` runs it in a namespace of the lab; `--timeout SECONDS` ends it (default 600). Exits with the command's code.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { attachLab, type Lab, LabError, type LabProcess, openLab } from './lab.ts'
import { runDirs } from './run-dir.ts'

/** In a kept lab's run folder: its name. */
const nameFile = 'kept-as'

function keptSocket(name: string): string {
  for (const dir of runDirs()) {
    const file = join(dir, nameFile)
    if (existsSync(file) && readFileSync(file, 'utf8') === name) return join(dir, 'lab.sock')
  }
  throw new LabError(`no lab named ${name} is kept up: start it with \`node test/lab/shell.ts --keep --name ${name}\``)
}

interface ShellOptions {
  readonly netns: string | undefined
  readonly timeoutMs: number
}

async function start(lab: Lab, [first = '', ...rest]: readonly string[], options: ShellOptions): Promise<LabProcess> {
  const spawnOptions = { keepInput: true, ...(options.netns === undefined ? {} : { netns: options.netns }) }
  if (first.endsWith('.ts')) return lab.spawnScript(resolve(first), { ...spawnOptions, args: rest })
  return lab.spawn(rest.length === 0 ? first : [first, ...rest], spawnOptions)
}

async function runCommand(lab: Lab, argv: readonly string[], options: ShellOptions): Promise<number> {
  const running = await start(lab, argv, options)
  running.onLine((line, stream) => process[stream].write(`${line}\n`))
  process.stdin.on('data', (chunk) => running.write(chunk))
  process.stdin.on('end', () => running.endInput())
  const interrupt = () => running.kill('SIGINT')
  process.once('SIGINT', interrupt)
  const timer = setTimeout(() => running.kill('SIGKILL'), options.timeoutMs)
  const { code } = await running.exited
  clearTimeout(timer)
  process.stdin.destroy()
  return code ?? 1
}

const signalled = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })

async function keep(name: string): Promise<void> {
  const ending = signalled()
  await using lab = await openLab()
  writeFileSync(join(dirname(lab.socketPath), nameFile), name)
  console.log(`kernel ${lab.kernel} (${lab.mode}) is up; its socket is ${lab.socketPath}; Ctrl-C ends it`)
  await ending
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      keep: { type: 'boolean', default: false },
      attach: { type: 'boolean', default: false },
      name: { type: 'string', default: 'default' },
      netns: { type: 'string' },
      timeout: { type: 'string', default: '600' },
    },
  })
  if (values.keep) {
    await keep(values.name)
    return 0
  }
  if (positionals.length === 0) throw new LabError('nothing to run: give a command after --, or --keep')
  await using lab = values.attach ? await attachLab(keptSocket(values.name)) : await openLab()
  return await runCommand(lab, positionals, { netns: values.netns, timeoutMs: Number(values.timeout) * 1000 })
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof LabError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
