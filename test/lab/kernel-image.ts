/** The bootable kernel in the cache: uncompressed image, modules, initramfs. */

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { cacheDir, cached } from './cache.ts'
import { command, commandBytes } from './command.ts'
import { initScript } from './init-script.ts'
import { downloadPackage, findKernelPackage, type KernelPackage } from './kernel-package.ts'
import { LabError } from './lab-error.ts'

export interface KernelImage {
  /** As `uname -r` says it. */
  readonly release: string
  readonly kernel: string
  readonly initramfs: string
  /** The folder to stand at /lib/modules/RELEASE. */
  readonly modules: string
}

/** Raised whenever what the builder makes changes, so that old caches are not used. */
const recipe = 2

/** Loaded by the initramfs, in this order, with what they depend on. */
const bootModules = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay', 'ip_vs']

/** Of the drivers only these are kept: the rest is 250 MB that no virtual machine has hardware for. */
const keptDrivers = new Set(['net', 'virtio', 'char', 'block', 'vhost', 'crypto'])
const droppedNetDrivers = new Set(['ethernet', 'wireless', 'usb', 'can', 'fddi', 'arcnet', 'hamradio', 'wwan', 'dsa'])

/** The series that the lab boots by default: that of the Debian release it runs on. */
function defaultSeries(): string | undefined {
  const series: Readonly<Record<string, string>> = { '11': '5.10', '12': '6.1', '13': '6.12' }
  try {
    return series[readFileSync('/etc/debian_version', 'utf8').split('.')[0]?.trim() ?? '']
  } catch {
    return undefined
  }
}

function prune(modules: string): void {
  const keepOnly = (dir: string, keep: (name: string) => boolean) => {
    for (const name of readdirSync(dir)) if (!keep(name)) rmSync(join(dir, name), { recursive: true })
  }
  rmSync(join(modules, 'kernel/sound'), { recursive: true, force: true })
  keepOnly(join(modules, 'kernel/drivers'), (name) => keptDrivers.has(name))
  keepOnly(join(modules, 'kernel/drivers/net'), (name) => !droppedNetDrivers.has(name))
}

const packings: readonly { readonly magic: Buffer; readonly unpack: (packed: Buffer) => Buffer }[] = [
  {
    magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
    unpack: (packed) =>
      // Trailing bytes after the xz stream make busybox end with 1 after it has written everything.
      execFileSync('sh', ['-c', 'busybox unxz -c 2>/dev/null || true'], { input: packed, maxBuffer: 512 << 20 }),
  },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), unpack: (packed) => zstdDecompressSync(packed) },
]

/**
 * Unpacks the kernel proper from a bzImage: emulated, its own decompressor takes five seconds. The ELF image starts by
 * the PVH entry point. Undefined when the packing is not known; then the bzImage boots, only slower.
 */
function unpackKernel(image: Buffer): Buffer | undefined {
  for (const { magic, unpack } of packings) {
    const at = image.indexOf(magic)
    if (at < 0) continue
    try {
      const kernel = unpack(image.subarray(at))
      if (kernel.subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1'))) return kernel
    } catch {
      // Not this packing after all.
    }
  }
  return undefined
}

async function moduleFiles(root: string, release: string): Promise<readonly string[]> {
  const files = new Set<string>()
  for (const module of bootModules) {
    const text = await command(['modprobe', '-d', root, '-S', release, '--show-depends', module])
    for (const line of text.split('\n')) if (line.startsWith('insmod ')) files.add(line.split(/\s+/)[1] ?? '')
  }
  return [...files]
}

async function buildInitramfs(root: string, release: string, target: string): Promise<void> {
  const tree = join(root, 'initramfs-tree')
  for (const name of ['bin', 'mods', 'proc', 'sys', 'dev', 'host', 'rw', 'newroot'])
    mkdirSync(join(tree, name), { recursive: true })
  copyFileSync('/usr/bin/busybox', join(tree, 'bin/busybox'))
  chmodSync(join(tree, 'bin/busybox'), 0o755)
  const files = await moduleFiles(root, release)
  for (const file of files) copyFileSync(file, join(tree, 'mods', basename(file)))
  writeFileSync(join(tree, 'mods/order'), files.map((file) => `${basename(file)}\n`).join(''))
  writeFileSync(join(tree, 'init'), initScript, { mode: 0o755 })
  writeFileSync(target, await commandBytes(['sh', '-c', 'find . | cpio --quiet -o -H newc'], { cwd: tree }))
  rmSync(tree, { recursive: true })
}

async function build(dir: string, kernel: KernelPackage): Promise<void> {
  const deb = await downloadPackage(kernel, dir)
  await command(['dpkg', '-x', deb, join(dir, 'unpacked')])
  rmSync(deb)
  const release = readdirSync(join(dir, 'unpacked/boot'))
    .find((name) => name.startsWith('vmlinuz-'))
    ?.slice('vmlinuz-'.length)
  if (release === undefined) throw new LabError(`the package ${kernel.name} holds no kernel`)
  // Debian 13 and later ship the modules under usr/lib.
  const lib = readdirSync(join(dir, 'unpacked')).includes('lib') ? 'unpacked/lib' : 'unpacked/usr/lib'
  mkdirSync(join(dir, 'lib'))
  renameSync(join(dir, lib, 'modules'), join(dir, 'lib/modules'))
  prune(join(dir, 'lib/modules', release))
  // Debian 13 and later compress them; unpacked once, they load at once.
  await command(['sh', '-c', "find lib -name '*.ko.xz' -exec busybox unxz {} +"], { cwd: dir })
  await command(['depmod', '-b', dir, release])
  const image = readFileSync(join(dir, 'unpacked/boot', `vmlinuz-${release}`))
  writeFileSync(join(dir, 'kernel'), unpackKernel(image) ?? image)
  rmSync(join(dir, 'unpacked'), { recursive: true })
  await buildInitramfs(dir, release, join(dir, 'initramfs'))
  writeFileSync(join(dir, 'release'), release)
}

function describe(dir: string): KernelImage {
  const release = readFileSync(join(dir, 'release'), 'utf8')
  return { release, kernel: join(dir, 'kernel'), initramfs: join(dir, 'initramfs'), modules: join(dir, 'lib/modules', release) }
}

/** A kernel of the series that is complete in the cache. */
function findCached(series: string | undefined): string | undefined {
  const kernels = join(cacheDir(), 'kernels')
  mkdirSync(kernels, { recursive: true })
  return readdirSync(kernels)
    .filter((name) => name.endsWith(`.recipe${recipe}`) && !name.startsWith('.'))
    .filter((name) => series !== undefined && new RegExp(`^${series.replaceAll('.', '\\.')}[.-]`).test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)
}

/**
 * The kernel to boot: of the series named (`6.12`), else of this Debian release; from the cache, else fetched with apt.
 * Throws a LabError when it cannot be had.
 */
export async function kernelImage(wanted: string | undefined): Promise<KernelImage> {
  if (wanted !== undefined && !/^\d+\.\d+$/.test(wanted))
    throw new LabError(`LAB_KERNEL is '${wanted}': write a series such as 6.12`)
  const known = findCached(wanted ?? defaultSeries())
  if (known !== undefined) return describe(join(cacheDir(), 'kernels', known))
  const lists = mkdtempSync(join(cacheDir(), 'kernels', '.lists-'))
  try {
    const kernel = await findKernelPackage(wanted, lists)
    const name = `${kernel.name.slice('linux-image-'.length)}.recipe${recipe}`
    return describe(await cached(`kernels/${name}`, (dir) => build(dir, kernel)))
  } finally {
    rmSync(lists, { recursive: true, force: true })
  }
}
