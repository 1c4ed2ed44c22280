/** A container engine of the tests' own: Debian's dockerd, unpacked and never installed. */

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { libraryPath, unpackedPackages } from '../../peers/debian-package.ts'
import { httpCallOverSocket } from '../../peers/http-call.ts'

export interface Engine extends AsyncDisposable {
  /** `unix:///tmp/…/docker.sock`. */
  readonly host: string
  /** Where ports that containers publish are reached from here. */
  readonly address: string
  /** What a program needs in its environment to talk to it by the `docker` command. */
  readonly env: Readonly<Record<string, string>>
}

const script = fileURLToPath(new URL('engine.sh', import.meta.url))

/** What dockerd and those that it starts are found by. */
export async function enginePrograms(): Promise<{ readonly PATH: string; readonly LD_LIBRARY_PATH: string }> {
  const dir = await unpackedPackages({ name: 'docker', suite: 'bookworm', packages: ['docker.io', 'containerd', 'runc'] })
  const folders = [join(dir, 'usr/sbin'), join(dir, 'usr/bin'), process.env['PATH'] ?? '', '/usr/sbin', '/sbin']
  return { PATH: folders.join(delimiter), LD_LIBRARY_PATH: libraryPath(dir) }
}

/** What the `docker` command of the engine's own release needs in its environment to talk to it. */
export async function clientEnvironment(host: string): Promise<Readonly<Record<string, string>>> {
  return { ...(await enginePrograms()), DOCKER_HOST: host }
}

/** Resolves when it answers, after about two seconds. Throws one sentence and the engine's last words when it cannot be started. */
export async function startEngine(): Promise<Engine> {
  if (process.getuid?.() !== 0)
    throw new Error(
      'the container tests start a container engine of their own, which needs root: run them as root (sudo npm test)',
    )
  const env = await enginePrograms()
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-engine-'))
  mkdirSync(join(dir, 'inside'))
  writeFileSync(join(dir, 'daemon.json'), '{}')
  // A /30 of 198.18.0.0/15, which RFC 2544 sets aside for tests.
  const net = randomInt(0, 1 << 15) * 4
  const address = (last: number) => `198.${18 + (net >> 16)}.${(net >> 8) & 255}.${(net & 255) + last}`
  const interfaceName = `pm${randomInt(36 ** 6).toString(36)}`
  const guard = spawn('sh', [script, dir, interfaceName, address(1), address(2)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    // The libraries are for the engine alone: the machine's own programs may be newer than they are.
    env: { ...process.env, PATH: env.PATH, ENGINE_LIBRARIES: env.LD_LIBRARY_PATH },
  })
  const lifeline = guard.stdio[3] as NodeJS.WritableStream
  const gone = once(guard, 'exit')
  const dispose = async () => {
    lifeline.end()
    await gone
  }
  const socket = join(dir, 'docker.sock')
  const deadline = Date.now() + 60_000
  while ((await httpCallOverSocket(socket, '/_ping').catch(() => undefined))?.status !== 200) {
    if (existsSync(join(dir, 'ended')) || Date.now() > deadline) {
      const words = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n').slice(-5).join('\n')
      await dispose()
      throw new Error(
        `no container engine can be started here, which the container tests need (root with all capabilities, namespaces, cgroups, overlayfs):\n${words}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const host = `unix://${socket}`
  return { host, address: address(2), env: { ...env, DOCKER_HOST: host }, [Symbol.asyncDispose]: dispose }
}
