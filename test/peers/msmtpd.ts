/** The real msmtpd (Debian bookworm), a small SMTP server. */

import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { libraryPath, unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { loopbackAddress } from './place.ts'

/** On port 2525; mail that it is given goes nowhere. */
export class SmtpServer implements AsyncDisposable {
  readonly address = loopbackAddress()
  readonly port = 2525
  readonly #unpacked: string
  #process: PeerProcess | undefined

  constructor(unpacked: string) {
    this.#unpacked = unpacked
  }

  async start(): Promise<void> {
    const program = join(this.#unpacked, 'usr/bin/msmtpd')
    const argv = [program, `--interface=${this.address}`, `--port=${this.port}`, '--command=true', '--log=none']
    this.#process = new PeerProcess(argv, { env: { LD_LIBRARY_PATH: libraryPath(this.#unpacked) } })
    await this.#process.until(() => this.#accepts(), 'a connection')
  }

  freeze(): void {
    this.#process?.freeze()
  }

  thaw(): void {
    this.#process?.thaw()
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #accepts(): Promise<boolean> {
    const socket = connect(this.port, this.address)
    await once(socket, 'connect').finally(() => socket.destroy())
    return true
  }
}

/** The folder that holds usr/bin/msmtpd and its libraries. */
export function msmtpdPrograms(): Promise<string> {
  return unpackedPackages({ name: 'msmtp', suite: 'bookworm', packages: ['msmtp-mta'] })
}

/** Ready when it accepts. */
export async function startSmtpServer(): Promise<SmtpServer> {
  const server = new SmtpServer(await msmtpdPrograms())
  await server.start()
  return server
}
