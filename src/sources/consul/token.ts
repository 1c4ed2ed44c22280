import { stat } from 'node:fs/promises'
import { ConsulFault } from './fault.ts'
import { readSecretFile, whyUnread } from './secret-file.ts'

/** Milliseconds within which a token file is not looked at again. */
const LOOK_AGAIN = 1_000

/** The secret that goes with a request; never part of a name, a message or a log line. */
export interface ConsulToken {
  /** Undefined: requests go without one. Rejects with a ConsulFault when it cannot be read. */
  read(): Promise<string | undefined>
  /** The agent does not take it: the file is read again before the next request. */
  refused(): void
}

/** A token that is written in the configuration, or in a file of its own. */
export function consulToken({ token, tokenFile }: { readonly token?: string; readonly tokenFile?: string }): ConsulToken {
  if (tokenFile !== undefined) return new TokenFile(tokenFile)
  return { read: () => Promise.resolve(token), refused: () => {} }
}

class TokenFile implements ConsulToken {
  readonly #path: string
  #token: string | undefined
  #version = ''
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(path: string) {
    this.#path = path
  }

  async read(): Promise<string> {
    const now = performance.now()
    if (this.#token !== undefined && now - this.#lookedAt < LOOK_AGAIN) return this.#token
    try {
      const { mtimeMs, size, ino } = await stat(this.#path)
      const version = `${mtimeMs} ${size} ${ino}`
      if (this.#token === undefined || version !== this.#version)
        this.#token = (await readSecretFile(this.#path)).toString('utf8').trim()
      this.#version = version
      this.#lookedAt = now
    } catch (error) {
      throw new ConsulFault(
        'SOURCE_UNREADABLE',
        `${this.#path}: the token file cannot be read (${whyUnread(error)}); write the token into it`,
      )
    }
    if (/^[\x21-\x7e]+$/.test(this.#token)) return this.#token
    this.#token = undefined
    throw new ConsulFault(
      'SOURCE_UNREADABLE',
      `${this.#path}: the token file does not hold one token; write the token alone into it`,
    )
  }

  refused(): void {
    this.#version = ''
    this.#lookedAt = Number.NEGATIVE_INFINITY
  }
}
