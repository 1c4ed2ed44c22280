import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { command } from '../../lab/command.ts'

/** A package registry on this machine that knows a few of the installed packages, so that an install needs no network. */
export class Registry implements AsyncDisposable {
  readonly url: string
  /** Names that it was asked for. */
  readonly asked: ReadonlySet<string>
  readonly #close: () => Promise<void>

  constructor(url: string, asked: ReadonlySet<string>, close: () => Promise<void>) {
    this.url = url
    this.asked = asked
    this.#close = close
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}

/** `names` are packages of node_modules; everything else is unknown there (404). */
export async function startRegistry(names: readonly string[]): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'pointsman-registry-'))
  const packages = new Map<string, { readonly manifest: { readonly version: string }; readonly tarball: Buffer }>()
  for (const name of names) {
    const source = join('node_modules', name)
    const packed = await command(['npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder, `./${source}`])
    const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string }
    packages.set(name, { manifest, tarball: await readFile(join(folder, packed.trim())) })
  }
  await rm(folder, { recursive: true })

  const asked = new Set<string>()
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(1)
    const found = packages.get(path.replace(/\.tgz$/, ''))
    asked.add(path.replace(/\.tgz$/, ''))
    if (found === undefined) response.writeHead(404).end('{}')
    else if (path.endsWith('.tgz')) response.end(found.tarball)
    else {
      const { manifest, tarball } = found
      const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
      const version = { ...manifest, dist: { tarball: `${url}/${path}.tgz`, integrity } }
      const answer = { name: path, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: version } }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return new Registry(url, asked, close)
}
