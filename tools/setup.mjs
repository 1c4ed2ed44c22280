// What a bare checkout lacks, and how it gets it: Node packages from the npm registry, Debian packages from apt.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Set-up that cannot be done here; the message says what is lacking and what to do. */
export class SetupError extends Error {
  /** Whether the list of what is missing helps the reader. */
  listMissing = false
}

/** Debian package -> a command of it, by which it is known to be there. */
const PACKAGES = {
  'qemu-system-x86': 'qemu-system-x86_64',
  'busybox-static': 'busybox',
  cpio: 'cpio',
  curl: 'curl',
  fish: 'fish',
  iproute2: 'ip',
  ipvsadm: 'ipvsadm',
  keepalived: 'keepalived',
  kmod: 'modprobe',
  'libcap2-bin': 'setcap',
  lintian: 'lintian',
  'man-db': 'man',
  nftables: 'nft',
  openssl: 'openssl',
  procps: 'ps',
  strace: 'strace',
  systemd: 'systemd-analyze',
  tcpdump: 'tcpdump',
  zsh: 'zsh',
}

export const nodeBin = (name) => join(root, 'node_modules/.bin', name)

/** Node packages first (they bring Node 24), then what the lab needs. `command`: what the user typed. */
export function prepare({ onlyNode = false, command = 'npm run setup' } = {}) {
  if (process.platform !== 'linux')
    throw new SetupError(
      `Pointsman drives the Linux kernel; this is ${process.platform}. Use a Debian 12 machine or virtual machine.`,
    )
  installNodePackages()
  if (!onlyNode) installDebianPackages(command)
}

/** What a machine that cannot be set up by us would have to bring itself, a line each. */
export function findMissing() {
  return Object.entries(PACKAGES)
    .filter(([, command]) => !onPath(command))
    .map(([name, command]) => `${command} (Debian package ${name})`)
}

function installNodePackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(readFileSync(join(root, 'tools/dev-runtime/package.json')))
    .digest('hex')
  const stamp = join(root, 'node_modules/.pointsman-setup')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(nodeBin('node'))) return
  // Also where npm packs with --ignore-scripts=false, which reaches down to here: none of the packages needs its install script.
  say('npm ci: installing the locked packages, Node 24 among them')
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new SetupError('npm ci failed; its message stands above. The npm registry must be reachable.')
  if (!existsSync(nodeBin('node')))
    throw new SetupError(
      `The npm registry has no Node 24 for ${process.arch}: install Node 24 or later and link it as ${nodeBin('node')}.`,
    )
  writeFileSync(stamp, wanted)
}

function installDebianPackages(command) {
  const missing = Object.keys(PACKAGES).filter((name) => !onPath(PACKAGES[name]))
  const isRoot = process.getuid() === 0
  if (missing.length === 0 && isRoot) return
  if (!isRoot)
    throw new SetupError(
      `This needs root: it makes network namespaces, mounts and a virtual machine. Run it as root (sudo ${command}).`,
    )
  if (!onPath('apt-get')) {
    const error = new SetupError(
      'This machine has no apt-get, so what is missing cannot be installed from here. Use Debian 12 or install it yourself:',
    )
    error.listMissing = true
    throw error
  }
  say(`apt-get install ${missing.join(' ')}`)
  const install = ['install', '-y', '-q', '--no-install-recommends', ...missing]
  if (aptGet(install) !== 0 && (aptGet(['update', '-q']) !== 0 || aptGet(install) !== 0))
    throw new SetupError('apt-get could not install what is missing; its message stands above.')
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync('apt-get', args, { env, stdio: ['ignore', process.stderr, process.stderr] }).status
}

function onPath(command) {
  const folders = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter)
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function say(line) {
  console.error(`[setup] ${line}`)
}
