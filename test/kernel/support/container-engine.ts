/** A real container engine in the lab, with our image in it: Debian's dockerd, containerd, runc, iptables and Compose, unpacked and never installed. */

import { delimiter, dirname, join } from 'node:path'
import { importBaseImage } from '../../containers/support/base-image.ts'
import { buildkit } from '../../containers/support/builders.ts'
import { enginePrograms, startEngine } from '../../containers/support/engine.ts'
import { engineStore, STORE } from '../../containers/support/engine-store.ts'
import { imageContext } from '../../containers/support/image-context.ts'
import { type Environment, withEnvironment } from '../../containers/support/import-image.ts'
import { command } from '../../lab/command.ts'
import { checkout, inCheckout, type Lab, LabError, type LabProcess, type RunOptions, type RunResult } from '../../lab/lab.ts'
import type { Host } from '../../lab/topology.ts'
import { composePrograms } from '../../peers/docker-compose.ts'
import { unpackedIptables } from '../../peers/iptables.ts'
import type { PeerFolder } from '../../peers/place.ts'
import { freshDirectory } from './pointsman.ts'

/** Milliseconds: an emulated processor of a busy host takes its time. */
const PATIENCE = 600_000

/** Made by an engine of this machine, for an emulated processor would take minutes. `more` puts further images into it. */
async function imagesWithOurs(names: readonly string[], more: (env: Environment) => Promise<void>): Promise<PeerFolder> {
  await using engine = await startEngine()
  const { env } = engine
  const context = await imageContext()
  await importBaseImage(env)
  const [name = '', ...others] = names
  await buildkit.build({ env, context: context.path, image: name })
  context.remove()
  for (const other of others) await command([...withEnvironment(env), 'docker', 'tag', name, other])
  await more(env)
  return await engineStore(env)
}

export interface EngineOptions {
  /** What our image is called. */
  readonly names: readonly string[]
  readonly more?: (env: Environment) => Promise<void>
}

export class ContainerEngine implements AsyncDisposable {
  readonly #lab: Lab
  readonly #netns: string
  readonly #process: LabProcess
  readonly #env: Environment
  readonly #folder: string

  private constructor(lab: Lab, netns: string, process: LabProcess, env: Environment, folder: string) {
    this.#lab = lab
    this.#netns = netns
    this.#process = process
    this.#env = env
    this.#folder = folder
  }

  /** Resolves when it answers. The network of that host is the one that containers call the host's. */
  static async start(lab: Lab, { netns }: Host, { names, more = async () => {} }: EngineOptions): Promise<ContainerEngine> {
    const images = await imagesWithOurs(names, more)
    const folder = freshDirectory('engine')
    const programs = await enginePrograms()
    const { path, env: iptables } = await unpackedIptables()
    const compose = join(await composePrograms(), 'usr/libexec/docker/cli-plugins')
    const lines = [
      `mkdir -p ${folder}/bin ${folder}/client`,
      // It is started some hundred times.
      `cp -a ${iptables['LD_LIBRARY_PATH']} ${folder}/lib; cp ${path}/xtables-nft-multi ${folder}/bin`,
      `for name in iptables ip6tables; do ln -s xtables-nft-multi ${folder}/bin/$name; done`,
      `ln -s ${compose} ${folder}/client/cli-plugins`,
    ]
    await lab.check(lines.join('\n'))
    const PATH = [join(folder, 'bin'), programs.PATH, dirname(process.execPath)].join(delimiter)
    const script = ['sh', inCheckout('test/kernel/guest/container-engine.sh'), folder, join(images.path, STORE)]
    const running = lab.spawn(script, {
      netns,
      env: {
        PATH,
        XTABLES_LIBDIR: join(folder, 'lib/xtables'),
        ENGINE_LIBRARIES: [join(folder, 'lib'), programs.LD_LIBRARY_PATH].join(delimiter),
      },
    })
    const env = { PATH, DOCKER_HOST: `unix://${folder}/docker.sock`, DOCKER_CONFIG: `${folder}/client` }
    const engine = new ContainerEngine(lab, netns, running, env, folder)
    const up = engine.check(`until curl -sf --unix-socket ${folder}/docker.sock http://engine/_ping; do sleep 1; done`)
    const ended = running.exited.then(({ code, signal }) => {
      throw new LabError(`the container engine ended with ${signal ?? code} as it came up: ${running.stderr.slice(-800)}`)
    })
    await Promise.race([up, ended])
    images.remove()
    return engine
  }

  /** Runs a line of shell beside the engine, in the folder of the checkout, whatever its exit code. */
  run(line: string, options: RunOptions = {}): Promise<RunResult> {
    return this.#lab.run(['sh', '-c', line], {
      netns: this.#netns,
      env: this.#env,
      cwd: checkout,
      timeoutMs: PATIENCE,
      ...options,
    })
  }

  /** Runs a line of shell that must succeed; its standard output. */
  async check(line: string, options: RunOptions = {}): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(line, options)
    if (code === 0) return stdout
    throw new LabError(`'${line}' ended with ${signal ?? code}: ${stderr.trim() || stdout.trim()}`)
  }

  /** What the engine knows of a container: `{{.State.Health.Status}}`. */
  async inspect(container: string, format: string): Promise<string> {
    return (await this.check(`docker inspect --format '${format}' ${container}`)).trim()
  }

  /** Runs a program of this machine in the network of a container; its standard output. */
  async inNetworkOf(container: string, words: string): Promise<string> {
    const pid = await this.inspect(container, '{{.State.Pid}}')
    const dockerd = `$(pgrep --full --oldest '^dockerd --config-file ${this.#folder}/')`
    return this.check(`nsenter --target ${dockerd} --mount --pid nsenter --target ${pid} --net ${words}`)
  }

  /** The lines of the daemon's log. */
  async log(container: string): Promise<string> {
    return this.check(`docker logs ${container} 2>&1`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process.exited.catch(() => undefined)
    // Control groups outlive it, and a module of it would look at the bridges of other tests.
    const groups = 'find /tmp/cgroup/pointsman-engine -depth -type d -exec rmdir {} +'
    const sweep = `mkdir -p /tmp/cgroup; mount -t cgroup2 cgroup /tmp/cgroup; ${groups}; umount /tmp/cgroup; modprobe -r br_netfilter`
    await this.#lab.run(['unshare', '--mount', 'sh', '-c', sweep])
  }
}
