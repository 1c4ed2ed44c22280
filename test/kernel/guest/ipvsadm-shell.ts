import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'

const END = '--end of listing--'

/** A shell that runs ipvsadm when asked: starting a program from a shell costs a fraction of starting it from Node in an emulated guest. */
export class IpvsadmShell implements Disposable {
  readonly #shell: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor() {
    const script = `while read -r options; do ipvsadm $options || echo "ipvsadm $options ended with $?"; echo '${END}'; done`
    this.#shell = spawn('sh', ['-c', script])
    const reader: Interface = createInterface({ input: this.#shell.stdout })
    this.#lines = reader[Symbol.asyncIterator]()
  }

  /** What ipvsadm prints with these options. */
  async list(options: string): Promise<string> {
    this.#shell.stdin.write(`${options}\n`)
    let text = ''
    for (;;) {
      const { done, value } = await this.#lines.next()
      if (done) throw new Error(`the shell ended in the middle of ipvsadm ${options}`)
      if (value === END) return text
      text += `${value}\n`
    }
  }

  [Symbol.dispose](): void {
    this.#shell.stdin.end()
  }
}
