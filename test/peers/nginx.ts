/** The real nginx (Debian bookworm), serving files that the test writes. */

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Certificate } from './certificates.ts'
import { libraryPath, unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { loopbackAddress, type PeerFolder, peerFolder } from './place.ts'

export interface NginxOptions {
  /** Left out: a loopback address of its own. */
  readonly address?: string
  /** HTTPS beside HTTP, on port 8443. */
  readonly certificate?: Certificate
  /** Directives of the server block: `location /old { return 301 /web.json; }`. */
  readonly server?: string
  /** Directives of the http block: `log_format one '$msec';`. */
  readonly http?: string
}

/** HTTP on port 8080, packed by gzip where the client takes it; `*.json` is application/json. */
export class NginxServer implements AsyncDisposable {
  readonly address: string
  readonly port = 8080
  /** `http://127.77.1.1:8080`, without a slash at the end. */
  readonly url: string
  /** `https://127.77.1.1:8443`. */
  readonly tlsUrl: string
  readonly #unpacked: string
  readonly #place: PeerFolder
  #process: PeerProcess | undefined

  constructor(unpacked: string, { address = loopbackAddress(), certificate, server = '', http = '' }: NginxOptions) {
    this.address = address
    this.url = `http://${address}:${this.port}`
    this.tlsUrl = `https://${address}:8443`
    this.#unpacked = unpacked
    this.#place = peerFolder('nginx')
    mkdirSync(this.path(''))
    writeFileSync(join(this.#place.path, 'nginx.conf'), this.#configuration(certificate, server, http))
  }

  /** Where a file that is served lies: `web.json`. */
  path(name: string): string {
    return join(this.#place.path, 'files', name)
  }

  /** A file that is served from now on, whole. */
  write(name: string, content: string | Buffer): void {
    mkdirSync(dirname(this.path(name)), { recursive: true })
    writeFileSync(join(this.#place.path, 'next'), content)
    renameSync(join(this.#place.path, 'next'), this.path(name))
  }

  /** Starts it where it was. */
  async start(): Promise<void> {
    const program = join(this.#unpacked, 'usr/sbin/nginx')
    const argv = [program, '-p', this.#place.path, '-c', join(this.#place.path, 'nginx.conf'), '-e', 'stderr']
    this.#process = new PeerProcess(argv, { env: { LD_LIBRARY_PATH: libraryPath(this.#unpacked) } })
    await this.#process.until(async () => (await fetch(`${this.url}/`)).status > 0, 'an answer')
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    this.#place.remove()
  }

  #configuration(certificate: Certificate | undefined, server: string, http: string): string {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp-${name};`)
    const tls =
      certificate === undefined
        ? ''
        : `listen ${this.address}:8443 ssl; ssl_certificate ${certificate.certFile}; ssl_certificate_key ${certificate.keyFile};`
    return `daemon off; master_process off; pid nginx.pid;
      events { worker_connections 4096; }
      http {
        ${temporary.join(' ')} access_log off;
        types { application/json json; text/html html; } default_type application/octet-stream;
        gzip on; gzip_min_length 1; gzip_types application/json; gzip_comp_level 9;
        ${http}
        limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s;
        server { listen ${this.address}:${this.port} backlog=4096; ${tls} root files; ${server} }
      }`
  }
}

/** The folder that holds usr/sbin/nginx and its libraries. */
export function nginxPrograms(): Promise<string> {
  const packages = ['nginx', 'libpcre2-8-0', 'libssl3', 'zlib1g', 'libcrypt1']
  return unpackedPackages({ name: 'nginx', suite: 'bookworm', packages })
}

/** Ready when it answers. */
export async function startNginx(options: NginxOptions = {}): Promise<NginxServer> {
  const server = new NginxServer(await nginxPrograms(), options)
  await server.start()
  return server
}
