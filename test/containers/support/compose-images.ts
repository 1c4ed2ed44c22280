/**
 * The images that deploy/compose names, under those very names, made here since tests reach no registry: a real Consul; Knot in the place of
 * CoreDNS, which Debian does not have, reading the same Corefile and zone; the httpd of busybox in the place of whoami.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { libraryPath } from '../../peers/debian-package.ts'
import { knotPrograms } from '../../peers/knot.ts'
import { importConsulImage } from './consul-image.ts'
import { type Environment, importImage, libraries, put } from './import-image.ts'

/** Of a Corefile it understands what ours says: zones with their files. */
const NAME_SERVER = `#!/bin/busybox sh
[ "$1" = -conf ] || { echo "unknown arguments: $*" >&2; exit 2; }
{
  printf 'server:\\n  rundir: /run\\n  listen: 0.0.0.0@53\\n  udp-workers: 1\\n  tcp-workers: 1\\n  background-workers: 1\\n'
  printf 'log:\\n  - target: stderr\\n    any: info\\ndatabase:\\n  storage: /run\\n'
  printf 'template:\\n  - id: default\\n    zonefile-sync: -1\\n    zonefile-load: whole\\n    journal-content: none\\nzone:\\n'
  /bin/busybox awk '$2 == "{" { zone = $1 } $1 == "file" { print "  - domain: " zone "\\n    file: " $2 }' "$2"
} >/run/knot.conf
exec /usr/sbin/knotd -c /run/knot.conf
`

/** Tells who answers, as whoami does, at every path that is asked here. */
const WEB_SERVER = `#!/bin/busybox sh
/bin/busybox mkdir /www
printf 'Hostname: %s\\nIP: %s\\n' "$(/bin/busybox hostname)" "$(/bin/busybox hostname -i)" >/www/index.html
/bin/busybox cp /www/index.html /www/health
exec /bin/busybox httpd -f -p 80 -h /www
`

/** Debian's busybox-static, which needs no library. */
function busybox(tree: string, entrypoint: string): void {
  put('/bin/busybox', tree, 'bin/busybox')
  for (const name of ['etc', 'tmp', 'run']) mkdirSync(join(tree, name), { recursive: true })
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/busybox\n')
  writeFileSync(join(tree, 'entrypoint'), entrypoint, { mode: 0o755 })
}

async function nameServer(tree: string): Promise<void> {
  busybox(tree, NAME_SERVER)
  const unpacked = await knotPrograms()
  put(join(unpacked, 'usr/sbin/knotd'), tree, 'usr/sbin/knotd')
  for (const file of await libraries(join(unpacked, 'usr/sbin/knotd'), libraryPath(unpacked)))
    put(file, tree, file.startsWith(unpacked) ? file.slice(unpacked.length) : file)
}

/** By what the image is called without its registry and version. */
const MAKERS: Readonly<Record<string, (env: Environment, name: string) => Promise<void>>> = {
  'hashicorp/consul': (env, name) => importConsulImage(env, name, ['/bin/consul']),
  'coredns/coredns': (env, name) => importImage(env, { name, changes: ['ENTRYPOINT ["/entrypoint"]'], fill: nameServer }),
  'traefik/whoami': (env, name) =>
    importImage(env, { name, changes: ['ENTRYPOINT ["/entrypoint"]'], fill: async (tree) => busybox(tree, WEB_SERVER) }),
}

/** Puts them into the engine; all but that which Compose builds. */
export async function importComposeImages(env: Environment): Promise<void> {
  const { services } = parse(readFileSync('deploy/compose/compose.yaml', 'utf8'), { merge: true }) as {
    readonly services: Readonly<Record<string, { readonly image: string; readonly build?: unknown }>>
  }
  const names = Object.values(services).flatMap(({ image, build }) => (build === undefined ? [image] : []))
  for (const name of new Set(names)) {
    const make = MAKERS[/^docker\.io\/(.+):/.exec(name)?.[1] ?? '']
    if (make === undefined) throw new Error(`nobody makes the image ${name} here`)
    await make(env, name)
  }
}
