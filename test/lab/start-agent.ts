/** Starts an agent, in a virtual machine or in private namespaces, and waits until it speaks. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'
import { command } from './command.ts'
import { chooseAcceleration, emulatorCommand } from './emulator.ts'
import { hotFiles } from './hot-files.ts'
import { hostStage2, vmStage2 } from './init-script.ts'
import { kernelImage } from './kernel-image.ts'
import { EmulatorDied, LabError } from './lab-error.ts'
import { type Answer, FrameReader, type LabMode } from './protocol.ts'
import { makeRunDir } from './run-dir.ts'

export interface StartOptions {
  readonly mode: LabMode
  /** Kernel series such as `6.12`; undefined for this Debian release's own. Virtual machine only. */
  readonly kernel: string | undefined
  readonly memoryMiB: number
  readonly cpus: number
  readonly startTimeoutMs: number
}

/** A started agent: its channel, and how to end it. */
export interface StartedAgent {
  readonly runDir: string
  readonly channel: Socket
  /** As `uname -r` says it. */
  readonly kernel: string
  readonly consolePath: string
  /** The last lines of the console, for failure messages. */
  consoleTail(): string
  /** Ends the agent and everything in it; resolves when process and folder are gone. */
  stop(): Promise<void>
}

const here = dirname(fileURLToPath(import.meta.url))
export const checkout = dirname(dirname(here))

/** Is this machine's own kernel able to do IPVS? Tries to load the module once. */
export async function ownKernelHasIpvs(): Promise<boolean> {
  if (!existsSync('/proc/net/ip_vs')) await command(['modprobe', '-q', 'ip_vs']).catch(() => '')
  return existsSync('/proc/net/ip_vs')
}

async function vmCommand(runDir: string, options: StartOptions): Promise<readonly string[]> {
  const image = await kernelImage(options.kernel)
  const acceleration = await chooseAcceleration(image)
  const stage = {
    runDir,
    checkout,
    node: process.execPath,
    modules: image.modules,
    release: image.release,
    hotFiles: await hotFiles(),
  }
  writeFileSync(join(runDir, 'stage2.sh'), vmStage2(stage))
  const share = (path: string, tag: string) => [
    '-virtfs',
    `local,path=${path},mount_tag=${tag},security_model=none,readonly=on,multidevs=remap`,
  ]
  return emulatorCommand({
    acceleration,
    image,
    memoryMiB: options.memoryMiB,
    cpus: options.cpus,
    kernelArguments: `lab.dir=${runDir} lab.checkout=${checkout}`,
    devices: [
      ...share('/', 'host'),
      ...share(checkout, 'checkout'),
      ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=lab,path=${join(runDir, 'channel.sock')}`],
      ...['-device', 'virtserialport,chardev=lab,name=lab'],
    ],
  })
}

function hostCommand(runDir: string): readonly string[] {
  writeFileSync(
    join(runDir, 'stage2.sh'),
    hostStage2({ runDir, checkout, node: process.execPath, modules: '', release: '', hotFiles: [] }),
  )
  const namespaces = ['--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child=KILL', '--mount-proc']
  return ['unshare', ...namespaces, 'sh', join(runDir, 'stage2.sh')]
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

/** The command under its guard. */
function startGuarded(runDir: string, argv: readonly string[]): ChildProcess {
  // File descriptor 3 carries nothing: its end tells the guard that this process is gone.
  return spawn('sh', [join(here, 'guard.sh'), runDir, ...argv], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
}

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once('exit', () => resolve())
  })

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** What a shell adds to the number of the signal that a program died of. */
const SIGNALLED = 128

/** Why the lab will not come up, as far as its run folder tells. */
function startFailure(runDir: string): LabError | undefined {
  const code = readIfThere(join(runDir, 'exit')).trim()
  if (Number(code) > SIGNALLED) return new EmulatorDied(`the lab died of signal ${Number(code) - SIGNALLED} while starting`)
  if (code !== '') return new LabError(`the lab ended while starting, with code ${code}`)
  const said = /LAB-FAILED: .*/.exec(readIfThere(join(runDir, 'console.log')))?.[0]
  return said === undefined ? undefined : new LabError(said)
}

/** The agent's connection, once it has said that it is ready. */
function readyChannel(server: Server, runDir: string, timeoutMs: number): Promise<{ channel: Socket; kernel: string }> {
  return new Promise((resolve, reject) => {
    const deadline = performance.now() + timeoutMs
    const watch = setInterval(() => {
      const late = performance.now() > deadline
      const failure =
        startFailure(runDir) ?? (late ? new LabError(`the lab did not start within ${timeoutMs / 1000} s`) : undefined)
      if (failure === undefined) return
      clearInterval(watch)
      reject(failure)
    }, 100)
    server.once('connection', (channel) => {
      const reader = new FrameReader<Answer>()
      const onData = (chunk: Buffer) => {
        for (const { head } of reader.push(chunk)) {
          if (head.op !== 'ready') continue
          clearInterval(watch)
          channel.off('data', onData)
          resolve({ channel, kernel: head.kernel })
        }
      }
      channel.on('data', onData)
      channel.on('error', () => undefined)
    })
  })
}

/** Starts, and once more when the emulator itself crashed: QEMU without hardware virtualisation now and then does. */
export async function startAgent(options: StartOptions): Promise<StartedAgent> {
  try {
    return await startOnce(options)
  } catch (error) {
    if (!(error instanceof LabError && error.cause instanceof EmulatorDied)) throw error
    process.stderr.write(`${error.message}; one more try\n`)
    return startOnce(options)
  }
}

async function startOnce(options: StartOptions): Promise<StartedAgent> {
  const runDir = makeRunDir()
  const consolePath = join(runDir, 'console.log')
  const consoleTail = () =>
    existsSync(consolePath) ? readFileSync(consolePath, 'utf8').trim().split('\n').slice(-15).join('\n') : ''
  let guard: ChildProcess | undefined
  let server: Server | undefined
  const stop = async () => {
    server?.close()
    if (guard === undefined) return rmSync(runDir, { recursive: true, force: true })
    guard.stdio[3]?.destroy()
    await exited(guard)
  }
  try {
    writeFileSync(join(runDir, 'agent.mjs'), await bundle(join(here, 'guest/agent.ts')))
    server = await listen(join(runDir, 'channel.sock'))
    const argv = options.mode === 'vm' ? await vmCommand(runDir, options) : hostCommand(runDir)
    guard = startGuarded(runDir, argv)
    const { channel, kernel } = await readyChannel(server, runDir, options.startTimeoutMs)
    return { runDir, channel, kernel, consolePath, consoleTail, stop }
  } catch (error) {
    const tail = consoleTail()
    await stop()
    if (!(error instanceof LabError)) throw error
    throw new LabError(tail === '' ? error.message : `${error.message}; its console said:\n${tail}`, { cause: error })
  }
}
