/**
 * The lab's resident agent: runs inside the guest, starts commands on request and streams their output back.
 *
 * Usage: `agent --port /dev/virtio-ports/lab` in a virtual machine, `agent --socket PATH` in private namespaces.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { constants, release } from 'node:os'
import { dirname } from 'node:path'
import { type Answer, type Frame, FrameReader, type Request } from '../protocol.ts'
import { type Channel, openPort, openSocket } from './channel.ts'

type SpawnRequest = Extract<Request, { op: 'spawn' }>

const children = new Map<string, ChildProcess>()

/** The virtual machine has a static one in memory, ten times as quick to start. */
const nsenter = existsSync('/run/lab/busybox') ? ['/run/lab/busybox', 'nsenter'] : ['nsenter']

/** The whole process group, so that what a command started goes with it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    child.kill(signal)
  }
}

function commandLine(request: SpawnRequest): readonly string[] {
  if (request.netns === undefined) return request.argv
  // By env, since busybox takes its own ip, sh or sysctl for the machine's where it starts a command itself.
  return [...nsenter, `--net=/run/netns/${request.netns}`, '/usr/bin/env', '--', ...request.argv]
}

function start(channel: Channel, request: SpawnRequest, input: Buffer): void {
  const [file = '', ...args] = commandLine(request)
  const child = spawn(file, args, {
    detached: true,
    stdio: 'pipe',
    cwd: request.cwd ?? '/',
    env: { ...process.env, ...request.env },
  })
  children.set(request.id, child)
  const forward = (op: 'stdout' | 'stderr') => (chunk: Buffer) => channel.send({ op, id: request.id }, chunk)
  child.stdout.on('data', forward('stdout'))
  child.stderr.on('data', forward('stderr'))
  channel.throttle(child.stdout, child.stderr)
  // A command that ends without reading its input is no fault.
  child.stdin.on('error', () => undefined)
  child.on('spawn', () => channel.send({ op: 'started', id: request.id, pid: child.pid ?? 0 }))
  child.on('error', (error) => {
    if (!children.delete(request.id)) return
    channel.send({ op: 'failed', id: request.id, message: `cannot start ${file}: ${error.message}` })
  })
  child.on('close', (code, signal) => {
    if (children.delete(request.id)) channel.send({ op: 'exit', id: request.id, code, signal })
  })
  if (request.keepInput) child.stdin.write(input)
  else child.stdin.end(input)
}

/** Written beside and renamed: a reader never sees half a file. */
function writeFile(path: string, mode: number, content: Buffer): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.partial`, content, { mode })
  renameSync(`${path}.partial`, path)
}

function answer(id: string, work: () => Buffer | undefined): [Answer, Buffer | undefined] {
  try {
    return [{ op: 'done', id }, work()]
  } catch (error) {
    return [{ op: 'failed', id, message: (error as Error).message }, undefined]
  }
}

function forget(prefix: string): void {
  for (const [id, child] of children) {
    if (id.startsWith(prefix)) signalGroup(child, 'SIGKILL')
  }
}

function handle(channel: Channel, { head, body }: Frame<Request>): void {
  switch (head.op) {
    case 'spawn':
      start(channel, head, body)
      return
    case 'input':
      children.get(head.id)?.stdin?.write(body)
      return
    case 'end-input':
      children.get(head.id)?.stdin?.end()
      return
    case 'signal': {
      const child = children.get(head.id)
      if (child !== undefined && head.signal in constants.signals) signalGroup(child, head.signal as NodeJS.Signals)
      return
    }
    case 'write':
      channel.send(
        ...answer(head.id, () => {
          writeFile(head.path, head.mode, body)
          return undefined
        }),
      )
      return
    case 'read':
      channel.send(...answer(head.id, () => readFileSync(head.path)))
      return
    case 'forget':
      forget(head.prefix)
      return
  }
}

const [how, where = ''] = process.argv.slice(2)
const channel = how === '--port' ? openPort(where) : await openSocket(where)
const reader = new FrameReader<Request>()
channel.onData((chunk) => {
  for (const frame of reader.push(chunk)) handle(channel, frame)
})
channel.onEnd(() => process.exit(0))
channel.send({ op: 'ready', id: '', kernel: release() })
