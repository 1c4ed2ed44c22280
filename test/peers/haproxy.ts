/** The real HAProxy (Debian bookworm), which asks servers whether they work. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { libraryPath, unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { type PeerFolder, peerFolder } from './place.ts'

export class Haproxy implements AsyncDisposable {
  readonly #place: PeerFolder
  readonly #process: PeerProcess

  /** `sections`: what its configuration has behind `global`; somebody must listen in it. One thread, in the foreground. */
  constructor(unpacked: string, sections: string) {
    this.#place = peerFolder('haproxy')
    const path = join(this.#place.path, 'haproxy.cfg')
    writeFileSync(path, `global\n  nbthread 1\n  maxconn 100\n${sections}`)
    const argv = [join(unpacked, 'usr/sbin/haproxy'), '-db', '-f', path]
    this.#process = new PeerProcess(argv, { env: { LD_LIBRARY_PATH: libraryPath(unpacked) } })
  }

  get pid(): number {
    return this.#process.pid
  }

  /** Waits until somebody listens at its stats page or another one. */
  async answers(url: string): Promise<void> {
    await this.#process.until(async () => (await fetch(url)).status > 0, 'an answer')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop()
    this.#place.remove()
  }
}

/** The folder that holds usr/sbin/haproxy and its libraries. */
export function haproxyPrograms(): Promise<string> {
  return unpackedPackages({ name: 'haproxy', suite: 'bookworm', packages: ['haproxy'] })
}
