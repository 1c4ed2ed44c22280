/** A director, a client and another host on one link: a bridge, each with a network namespace of its own. Nothing of it outlives the process. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const HOSTS = ['director', 'client', 'other'] as const
export type Host = (typeof HOSTS)[number]

const NUMBERS: Readonly<Record<Host, number>> = { director: 1, client: 2, other: 3 }

export class LinkOfFour implements AsyncDisposable {
  readonly #namespaces: ReadonlyMap<Host | 'switch', ChildProcess>

  private constructor(namespaces: ReadonlyMap<Host | 'switch', ChildProcess>) {
    this.#namespaces = namespaces
  }

  /** Rejects where no network namespaces, bridges and veth pairs can be made. */
  static async start(): Promise<LinkOfFour> {
    const namespaces = new Map<Host | 'switch', ChildProcess>()
    const link = new LinkOfFour(namespaces)
    try {
      for (const name of ['switch', ...HOSTS] as const) namespaces.set(name, await namespace())
      await link.#run('switch', 'ip link set lo up && ip link add br0 type bridge && ip link set br0 up')
      for (const host of HOSTS) await link.#connect(host)
      return link
    } catch (error) {
      await link[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Runs a shell command on a host and gives what it prints. */
  run(host: Host, command: string): Promise<string> {
    return this.#run(host, command)
  }

  async json<T>(host: Host, command: string): Promise<T> {
    const text = await this.#run(host, command)
    return JSON.parse(text.trim() === '' ? '[]' : text) as T
  }

  /** A program on a host; it gets what is in `env` besides the environment of this process. */
  spawn(host: Host, command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn('nsenter', [`--net=${this.#path(host)}`, ...command], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
  }

  /** Takes the carrier of a host's interface away, or gives it back. */
  async plug(host: Host, state: 'in' | 'out'): Promise<void> {
    await this.#run('switch', `ip link set ${host} ${state === 'in' ? 'up' : 'down'}`)
  }

  async hardwareAddress(host: Host): Promise<string> {
    const [link] = await this.json<{ address: string }[]>(host, 'ip -j link show dev eth0')
    return link?.address ?? 'none'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const holder of this.#namespaces.values()) {
      if (holder.exitCode !== null || holder.signalCode !== null) continue
      holder.kill('SIGKILL')
      await once(holder, 'exit')
    }
  }

  /** Without duplicate address detection by the kernel, which would hold up every test by a second. */
  async #connect(host: Host): Promise<void> {
    const pid = this.#namespaces.get(host)?.pid
    await this.#run('switch', `ip link add ${host} type veth peer name eth0 netns ${pid} && ip link set ${host} master br0 up`)
    const number = NUMBERS[host]
    await this.#run(
      host,
      `ip link set lo up && ip link set eth0 up && ip addr add 10.77.0.${number}/24 dev eth0 && ip addr add 2001:db8:77::${number}/64 dev eth0 nodad`,
    )
  }

  async #run(name: Host | 'switch', command: string): Promise<string> {
    const { stdout } = await run('nsenter', [`--net=${this.#path(name)}`, 'sh', '-ec', command])
    return stdout
  }

  #path(name: Host | 'switch'): string {
    return `/proc/${this.#namespaces.get(name)?.pid}/ns/net`
  }
}

/** A process that holds a network namespace open, and dies with this one. */
async function namespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo made; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const made = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit').then(() => undefined)])
  if (made === undefined) throw new Error('no network namespace can be made here')
  return holder
}

/** Asks until the answer is as it should be; the last answer when the time is over. */
export async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean, milliseconds = 20_000): Promise<T> {
  const deadline = Date.now() + milliseconds
  for (;;) {
    const answer = await ask()
    if (good(answer) || Date.now() > deadline) return answer
    await sleep(20)
  }
}
