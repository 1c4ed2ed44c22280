/** The real Knot DNS server (Debian bookworm), authoritative for zones that the test gives as text and changes as it likes. */

import { Resolver } from 'node:dns/promises'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../lab/command.ts'
import { libraryPath, unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { loopbackAddress, type PeerFolder, peerFolder } from './place.ts'

export interface KnotOptions {
  /**
   * Records by zone name, in zone file syntax, names relative to the zone: `'web.example': '_http._tcp 5 SRV 0 10 80 a'`. SOA
   * and NS are added, the default TTL is 60 s.
   */
  readonly zones: Readonly<Record<string, string>>
  /** Left out: a loopback address of its own. */
  readonly address?: string
  /** Left out: 5300, for which no rights are needed. */
  readonly port?: number
}

/** A zone that is served from its records, or configured without any, which is answered by SERVFAIL. */
type Zone = { readonly serial: number } | 'broken'

/** Zones that are not served are answered by REFUSED: to them the server is lame. */
export class KnotServer implements AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly #unpacked: string
  readonly #place: PeerFolder
  readonly #zones = new Map<string, Zone>()
  #serial = 0
  #process: PeerProcess | undefined

  constructor(unpacked: string, { zones, address = loopbackAddress(), port = 5300 }: KnotOptions) {
    this.address = address
    this.port = port
    this.#unpacked = unpacked
    this.#place = peerFolder('knot')
    mkdirSync(join(this.#place.path, 'zones'))
    for (const [name, records] of Object.entries(zones)) this.#write(name, records)
    this.#configure()
  }

  /** `127.77.1.1:5300`, or `[::1]:5300`. */
  get server(): string {
    return `${this.address.includes(':') ? `[${this.address}]` : this.address}:${this.port}`
  }

  /** Serves the zone with these records from now on, also one that is new. Resolves when it answers from them. */
  async zone(name: string, records: string): Promise<void> {
    this.#write(name, records)
    await this.#reload()
  }

  /** The zone's file is gone: SERVFAIL. `zone` heals it. */
  async breakZone(name: string): Promise<void> {
    // Dropped first, because a zone that was loaded once is served on when its file is gone.
    await this.dropZone(name)
    this.#zones.set(name, 'broken')
    rmSync(this.#file(name), { force: true })
    await this.#reload()
    await this.#answers(name, 'ESERVFAIL')
  }

  /** The server does not know the zone any more: REFUSED. `zone` brings it back. */
  async dropZone(name: string): Promise<void> {
    this.#zones.delete(name)
    await this.#reload()
    await this.#answers(name, 'EREFUSED')
  }

  /** Starts it where it was, with the zones as they are now. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error('this Knot runs already')
    const program = join(this.#unpacked, 'usr/sbin/knotd')
    this.#process = new PeerProcess([program, '-c', this.#configuration], { env: this.#env })
    for (const [name, zone] of this.#zones) if (zone !== 'broken') await this.#serves(name, zone.serial)
  }

  async stop(): Promise<void> {
    await this.#process?.kill()
    this.#process = undefined
  }

  /** Freezes it: the port is open, nothing answers. */
  freeze(): void {
    this.#process?.freeze()
  }

  thaw(): void {
    this.#process?.thaw()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    this.#place.remove()
  }

  get #configuration(): string {
    return join(this.#place.path, 'knot.conf')
  }

  get #env(): Record<string, string> {
    return { LD_LIBRARY_PATH: libraryPath(this.#unpacked) }
  }

  #file(name: string): string {
    return join(this.#place.path, 'zones', `${name}.zone`)
  }

  #write(name: string, records: string): void {
    this.#serial += 1
    this.#zones.set(name, { serial: this.#serial })
    const head = `$ORIGIN ${name}.\n$TTL 60\n@ SOA ns hostmaster ${this.#serial} 3600 600 86400 5\n@ NS ns\nns A 192.0.2.53\n`
    writeFileSync(this.#file(name), `${head}${records}\n`)
  }

  #configure(): void {
    const { path } = this.#place
    const zones = [...this.#zones.keys()].map((name) => `  - domain: ${name}\n    file: ${this.#file(name)}\n`)
    writeFileSync(
      this.#configuration,
      `server:
  rundir: ${path}
  listen: ${this.address}@${this.port}
  udp-workers: 1
  tcp-workers: 2
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: ${path}
control:
  listen: ${path}/control
template:
  - id: default
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
${zones.length === 0 ? '' : `zone:\n${zones.join('')}`}`,
    )
  }

  async #reload(): Promise<void> {
    this.#configure()
    if (this.#process === undefined) return
    const control = [join(this.#unpacked, 'usr/sbin/knotc'), '-s', join(this.#place.path, 'control')]
    await command(['env', ...Object.entries(this.#env).map(([key, value]) => `${key}=${value}`), ...control, 'reload'])
    for (const [name, zone] of this.#zones) if (zone !== 'broken') await this.#serves(name, zone.serial)
  }

  async #serves(name: string, serial: number): Promise<void> {
    await this.#process?.until(async () => (await this.#soa(name)) === serial, `${name} with serial ${serial}`)
  }

  async #answers(name: string, code: string): Promise<void> {
    await this.#process?.until(async () => (await this.#soa(name)) === code, `${code} for ${name}`)
  }

  /** The serial that is served, or the error's code. */
  async #soa(name: string): Promise<number | string> {
    const resolver = new Resolver({ timeout: 500, tries: 1 })
    resolver.setServers([this.server])
    return resolver.resolveSoa(name).then(
      ({ serial }) => serial,
      ({ code }: NodeJS.ErrnoException) => code ?? '',
    )
  }
}

/** The folder that holds usr/sbin/knotd and its libraries. */
export function knotPrograms(): Promise<string> {
  return unpackedPackages({ name: 'knot', suite: 'bookworm', packages: ['knot'] })
}

/** Resolves when every zone is served. */
export async function startKnot(options: KnotOptions): Promise<KnotServer> {
  const knot = new KnotServer(await knotPrograms(), options)
  try {
    await knot.start()
    return knot
  } catch (error) {
    await knot[Symbol.asyncDispose]()
    throw error
  }
}

/** `count` SRV records of one name and an A record for each target: 10.20.0.1, 10.20.0.2 and so on, port 8000. */
export function srvRecords(owner: string, count: number, ttl = 60): string {
  return Array.from({ length: count }, (_, index) => {
    const number = index + 1
    return `${owner} ${ttl} SRV 0 10 8000 t${number}\nt${number} ${ttl} A 10.20.${number >> 8}.${number & 255}`
  }).join('\n')
}
