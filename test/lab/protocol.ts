/**
 * What the host and the agent in the guest say to each other, over any byte stream.
 *
 * A frame is `u32 total length | u32 head length | head as JSON | body bytes`, big endian; the lengths count what follows
 * the first word. Every request carries an `id` chosen by the asker; all answers to it carry the same one.
 */

/** Asked of the agent. `spawn` takes its body as the first input, `write` as the file's content. */
export type Request =
  | {
      readonly op: 'spawn'
      readonly id: string
      readonly argv: readonly string[]
      readonly netns?: string
      readonly env?: Readonly<Record<string, string>>
      readonly cwd?: string
      /** Whether more input follows the body; otherwise the command's input ends there. */
      readonly keepInput: boolean
    }
  | { readonly op: 'input'; readonly id: string }
  | { readonly op: 'end-input'; readonly id: string }
  | { readonly op: 'signal'; readonly id: string; readonly signal: string }
  | { readonly op: 'write'; readonly id: string; readonly path: string; readonly mode: number }
  | { readonly op: 'read'; readonly id: string; readonly path: string }
  /** Kill everything whose id starts with `prefix`: its client has gone. */
  | { readonly op: 'forget'; readonly id: ''; readonly prefix: string }

/** Told by the agent; `gone`, `hello` and `console` come from the broker in between. */
export type Answer =
  | { readonly op: 'ready'; readonly id: ''; readonly kernel: string }
  | { readonly op: 'started'; readonly id: string; readonly pid: number }
  | { readonly op: 'stdout' | 'stderr'; readonly id: string }
  | { readonly op: 'exit'; readonly id: string; readonly code: number | null; readonly signal: string | null }
  | { readonly op: 'done'; readonly id: string }
  | { readonly op: 'failed'; readonly id: string; readonly message: string }
  | { readonly op: 'hello'; readonly id: ''; readonly kernel: string; readonly mode: LabMode; readonly consolePath: string }
  | { readonly op: 'gone'; readonly id: ''; readonly message: string }

/** Where the lab's kernel runs: in a virtual machine, or the machine's own kernel in private namespaces. */
export type LabMode = 'vm' | 'host'

export interface Frame<Head> {
  readonly head: Head
  readonly body: Buffer
}

const none = Buffer.alloc(0)

export function encodeFrame(head: Request | Answer, body: Uint8Array = none): Buffer {
  const headBytes = Buffer.from(JSON.stringify(head))
  const prefix = Buffer.alloc(8)
  prefix.writeUInt32BE(4 + headBytes.length + body.length, 0)
  prefix.writeUInt32BE(headBytes.length, 4)
  return Buffer.concat([prefix, headBytes, body])
}

/** Cuts a byte stream back into frames, whatever the chunks. */
export class FrameReader<Head extends Request | Answer> {
  #pending: Buffer[] = []
  #size = 0

  push(chunk: Buffer): Frame<Head>[] {
    this.#pending.push(chunk)
    this.#size += chunk.length
    const frames: Frame<Head>[] = []
    for (;;) {
      const frame = this.#next()
      if (frame === undefined) return frames
      frames.push(frame)
    }
  }

  #next(): Frame<Head> | undefined {
    if (this.#size < 8) return undefined
    const first = this.#join(8)
    const total = first.readUInt32BE(0)
    if (this.#size < 4 + total) return undefined
    const all = this.#join(4 + total)
    const headLength = all.readUInt32BE(4)
    this.#pending[0] = all.subarray(4 + total)
    this.#size -= 4 + total
    return {
      head: JSON.parse(all.toString('utf8', 8, 8 + headLength)) as Head,
      body: all.subarray(8 + headLength, 4 + total),
    }
  }

  /** Makes the first pending chunk at least `size` long, copying only when it must. */
  #join(size: number): Buffer {
    const first = this.#pending[0] ?? none
    if (first.length >= size) return first
    const joined = Buffer.concat(this.#pending)
    this.#pending = [joined]
    return joined
  }
}
