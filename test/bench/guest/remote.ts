/** Long-lived processes of the bench, called by the one that conducts it. */

import { type ChildProcess, fork } from 'node:child_process'

/** Functions that a process offers. Arguments and answers cross a process boundary as JSON. */
export type Offer = Readonly<Record<string, (argument: never) => Promise<unknown>>>

interface Call {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Answers calls from the process that forked this one, until it lets go. */
export function serve(offer: Offer): void {
  process.on('message', ({ id, name, argument }: Call) => {
    const reply = (answer: Omit<Answer, 'id'>) => process.send?.({ id, ...answer })
    const work = offer[name] as ((argument: unknown) => Promise<unknown>) | undefined
    if (work === undefined) reply({ error: `nothing is called ${name}` })
    else {
      work(argument).then(
        (value) => reply({ value }),
        (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      )
    }
  })
  process.on('disconnect', () => process.exit(0))
}

/** The other end: a process that plays `role` and whose functions are called by name. */
export class Remote<O extends Offer> implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  #nextId = 1

  constructor(program: string, role: readonly string[], nodeOptions: readonly string[] = []) {
    this.#child = fork(program, [...role], { execArgv: [...nodeOptions], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', ({ id, value, error }: Answer) => {
      const caller = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) caller?.resolve(value as never)
      else caller?.reject(new Error(`${role[0]}: ${error}`))
    })
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${role[0]} ended with ${signal ?? code}`))
        resolve()
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  call<K extends keyof O & string>(name: K, ...[argument]: Parameters<O[K]>): ReturnType<O[K]> {
    const id = this.#nextId++
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#child.send({ id, name, argument } satisfies Call)
    return answer as ReturnType<O[K]>
  }

  /** Lets the process end by itself, so that it can write what it collected. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#exited
  }
}
