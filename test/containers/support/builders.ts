/** The programs that make an image of our Dockerfile. Nothing is pulled: its base is in the engine, and all they make ends there. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../../lab/command.ts'
import { libraryPath, unpackedPackages } from '../../peers/debian-package.ts'
import { peerFolder } from '../../peers/place.ts'
import { baseImage } from './base-image.ts'
import { type Environment, withEnvironment } from './import-image.ts'

/** Milliseconds. */
const PATIENCE = 300_000

interface Job {
  readonly env: Environment
  /** The folder of what the Dockerfile copies, itself included. */
  readonly context: string
  /** How the image is to be called in the engine. */
  readonly image: string
}

export interface Builder {
  readonly name: string
  readonly build: (job: Job) => Promise<void>
}

const dockerfile = 'deploy/container/Dockerfile'

/** The builder of the engine: BuildKit, or the one before it. */
function engineBuilder(name: string, buildkit: '0' | '1'): Builder {
  const build = async ({ env, context, image }: Job) => {
    const options = ['--network', 'none', '--build-arg', `BASE=${baseImage}`, '-t', image, '-f', join(context, dockerfile)]
    const environment = withEnvironment({ ...env, DOCKER_BUILDKIT: buildkit, DOCKER_CONFIG: '/nonexistent' })
    await command([...environment, 'docker', 'build', ...options, context], { timeoutMs: PATIENCE })
  }
  return { name, build }
}

/** Debian's, unpacked and never installed, with a store of its own that is gone afterwards. */
async function buildWithBuildah({ env, context, image }: Job): Promise<void> {
  const unpacked = await unpackedPackages({ name: 'buildah', suite: 'bookworm', packages: ['buildah'] })
  const place = peerFolder('buildah')
  const policy = join(place.path, 'policy.json')
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
  const registries = join(place.path, 'registries.conf')
  writeFileSync(registries, 'unqualified-search-registries = []\n')
  const store = ['--root', join(place.path, 'store'), '--runroot', join(place.path, 'run'), '--storage-driver', 'vfs']
  // It starts itself anew with an empty environment, so that its libraries have to be in the list of the dynamic linker, in a mount namespace.
  const linked = 'ldconfig -X -C "$0" $(echo "$1" | tr : " ") && mount --bind "$0" /etc/ld.so.cache && shift && exec "$@"'
  const alone = ['unshare', '--mount', 'sh', '-euc', linked, join(place.path, 'ld.so.cache'), libraryPath(unpacked)]
  const program = [...alone, join(unpacked, 'usr/bin/buildah'), ...store]
  const buildah = (...args: string[]) => command([...program, '--registries-conf', registries, ...args], { timeoutMs: PATIENCE })
  const docker = (...args: string[]) => command([...withEnvironment(env), 'docker', ...args], { timeoutMs: PATIENCE })
  // It finds no engine but that of the machine: images come and go as files.
  const [base, made] = [join(place.path, 'base.tar'), join(place.path, 'made.tar')]
  await docker('save', '--output', base, baseImage)
  await buildah('pull', '--signature-policy', policy, `docker-archive:${base}`)
  // What an image of OCI has no place for is lost: the health check.
  const options = ['--format', 'docker', '--isolation', 'chroot', '--pull-never', '--signature-policy', policy]
  await buildah('build', ...options, '--build-arg', `BASE=${baseImage}`, '-t', image, '-f', join(context, dockerfile), context)
  await buildah('push', '--signature-policy', policy, image, `docker-archive:${made}:${image}:latest`)
  await docker('load', '--input', made)
  place.remove()
}

export const buildkit = engineBuilder('BuildKit', '1')

export const builders: readonly Builder[] = [
  engineBuilder('the classic builder', '0'),
  buildkit,
  { name: 'buildah', build: buildWithBuildah },
]
