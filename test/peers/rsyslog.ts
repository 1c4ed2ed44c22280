/** The real rsyslog (Debian bookworm), which takes RFC 5424 over UDP and TCP and writes what it understood into a file. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { libraryPath, unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { loopbackAddress, type PeerFolder, peerFolder } from './place.ts'

/** A message as rsyslog took it apart. */
export interface SyslogRecord {
  readonly facility: string
  readonly severity: string
  readonly version: string
  readonly host: string
  readonly program: string
  readonly pid: string
  readonly id: string
  readonly text: string
}

/** UDP and TCP on port 5514. */
export class RsyslogServer implements AsyncDisposable {
  readonly address = loopbackAddress()
  readonly port = 5514
  readonly #unpacked: string
  readonly #place: PeerFolder
  #process: PeerProcess | undefined

  constructor(unpacked: string) {
    this.#unpacked = unpacked
    this.#place = peerFolder('rsyslog')
    writeFileSync(this.#path('rsyslog.conf'), this.#configuration())
    writeFileSync(this.#path('messages'), '')
  }

  /** What came in so far. */
  get records(): readonly SyslogRecord[] {
    const lines = readFileSync(this.#path('messages'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as SyslogRecord)
  }

  async start(): Promise<void> {
    const program = join(this.#unpacked, 'usr/sbin/rsyslogd')
    const argv = [program, '-n', '-i', this.#path('pid'), '-f', this.#path('rsyslog.conf'), '-M', this.#modules]
    this.#process = new PeerProcess(argv, { env: { LD_LIBRARY_PATH: libraryPath(this.#unpacked) } })
    await this.#process.until(async () => this.#listens(), 'its port')
  }

  /** Frozen: the kernel accepts, nobody reads. */
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
    this.#place.remove()
  }

  get #modules(): string {
    const folders = libraryPath(this.#unpacked).split(':')
    return folders.map((folder) => join(folder, 'rsyslog')).find((folder) => existsSync(folder)) ?? ''
  }

  #path(name: string): string {
    return join(this.#place.path, name)
  }

  /** Without asking it, so that nothing stands in its file that no test has sent. */
  #listens(): boolean {
    const suffix = `:${this.port.toString(16).toUpperCase()}`
    const hex = this.address
      .split('.')
      .reverse()
      .map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'))
      .join('')
    return ['/proc/net/tcp', '/proc/net/udp'].every((path) => readFileSync(path, 'utf8').includes(`${hex}${suffix}`))
  }

  /** Its queue of connections has room for a tenth of the sessions and 5; beyond that the kernel has clients wait for a second, then for two, then for four. */
  #configuration(): string {
    const fields = ['facility', 'severity', 'version', 'host', 'program', 'pid', 'id', 'text']
    const names: Record<string, string> = {
      facility: 'syslogfacility-text',
      severity: 'syslogseverity-text',
      version: 'protocol-version',
      host: 'hostname',
      program: 'app-name',
      pid: 'procid',
      id: 'msgid',
      text: 'msg',
    }
    const parts = fields.map((field) => `property(outname="${field}" name="${names[field]}" format="jsonf")`)
    const commas = parts.join('\nconstant(value=", ")\n')
    return `global(workDirectory="${this.#place.path}")
module(load="imudp")
module(load="imtcp" MaxSessions="2000")
template(name="json" type="list") {
constant(value="{")
${commas}
constant(value="}\\n")
}
ruleset(name="all") { action(type="omfile" file="${this.#path('messages')}" template="json") }
input(type="imudp" address="${this.address}" port="${this.port}" ruleset="all")
input(type="imtcp" address="${this.address}" port="${this.port}" ruleset="all")
`
  }
}

/** The folder that holds usr/sbin/rsyslogd, its modules and its libraries. */
export function rsyslogPrograms(): Promise<string> {
  return unpackedPackages({ name: 'rsyslog', suite: 'bookworm', packages: ['rsyslog'] })
}

/** Ready when it listens. */
export async function startRsyslog(): Promise<RsyslogServer> {
  const server = new RsyslogServer(await rsyslogPrograms())
  await server.start()
  return server
}
