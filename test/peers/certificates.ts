/** Certificates made while the test runs, by openssl. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../lab/command.ts'
import { type PeerFolder, peerFolder } from './place.ts'

/** PEM texts, and the files that hold them. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export interface CertificateRequest {
  /** Common name, and a DNS name of the certificate: `web.example`. */
  readonly name: string
  readonly addresses?: readonly string[]
  /** Days it is valid for; -1 is one that has run out. 2 when left out. */
  readonly days?: number
}

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** An authority of the test's own. Its files go with it. */
export class CertificateAuthority implements Disposable {
  /** PEM of its own certificate. */
  readonly cert: string
  readonly certFile: string
  readonly #folder: PeerFolder
  #issued = 0

  constructor(folder: PeerFolder) {
    this.#folder = folder
    this.certFile = join(folder.path, 'ca.pem')
    this.cert = readFileSync(this.certFile, 'utf8')
  }

  /** A certificate for servers and clients alike. */
  async issue({ name, addresses = [], days = 2 }: CertificateRequest): Promise<Certificate> {
    this.#issued += 1
    const base = join(this.#folder.path, `${this.#issued}`)
    const ca = join(this.#folder.path, 'ca')
    const names = [`DNS:${name}`, ...addresses.map((address) => `IP:${address}`)]
    writeFileSync(`${base}.ext`, `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth,clientAuth\n`)
    const asked = ['-keyout', `${base}.key`, '-out', `${base}.csr`, '-subj', `/CN=${name}`]
    await command(['openssl', 'req', '-new', ...keyOptions, ...asked])
    const signed = [
      '-in',
      `${base}.csr`,
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-out',
      `${base}.pem`,
      '-extfile',
      `${base}.ext`,
    ]
    await command(['openssl', 'x509', '-req', '-set_serial', `0x${this.#issued + 1}`, '-days', `${days}`, ...signed])
    return {
      cert: readFileSync(`${base}.pem`, 'utf8'),
      key: readFileSync(`${base}.key`, 'utf8'),
      certFile: `${base}.pem`,
      keyFile: `${base}.key`,
    }
  }

  [Symbol.dispose](): void {
    this.#folder.remove()
  }
}

export async function makeAuthority(name = 'Pointsman test authority'): Promise<CertificateAuthority> {
  const folder = peerFolder('certificates')
  const files = ['-keyout', join(folder.path, 'ca.key'), '-out', join(folder.path, 'ca.pem')]
  await command(['openssl', 'req', '-x509', ...keyOptions, '-days', '2', '-subj', `/CN=${name}`, ...files])
  return new CertificateAuthority(folder)
}
