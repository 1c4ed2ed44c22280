// Makes pointsman_VERSION-1_ARCHITECTURE.deb with dpkg-deb alone. It brings its own Node, since no Debian has the one that is
// needed; see docs/decisions/the-debian-package-brings-node.md.
// Usage: node tools/deb.mjs [--fast] [FOLDER]; --fast hardly compresses. Prints where the package is.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { root } from './setup.mjs'

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }
const MAINTAINER = 'Pointsman authors <pointsman@localhost>'
/** What Node's own build links to (`objdump -T`), nft's library, what writes filters of iptables, and how the user of the daemon is made. */
const RELATIONS = [
  'Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 7), systemd | systemd-standalone-sysusers, init-system-helpers (>= 1.60)',
  'Recommends: iptables, kmod, libnftables1',
  'Suggests: ipvsadm, keepalived',
]

const fast = process.argv.includes('--fast')
const folder = resolve(process.argv.slice(2).find((word) => !word.startsWith('-')) ?? join(root, 'dist'))
const architecture = ARCHITECTURES[process.arch]
if (architecture === undefined) {
  console.error(`There is no Node ${process.arch} to put into a package: build it on ${Object.keys(ARCHITECTURES).join(' or ')}.`)
  process.exit(44)
}
const { version, description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const revision = `${version}-1`
/** The same commit makes the same package. */
const epoch = lastCommitTime()

const tree = mkdtempSync(join(tmpdir(), 'pointsman-deb-'))
try {
  build()
} finally {
  rmSync(tree, { recursive: true })
}

function build() {
  program()
  system()
  documentation()
  control()
  for (const path of [tree, ...walk(tree)]) chmodSync(path, modeOf(path))
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `pointsman_${revision}_${architecture}.deb`)
  const compression = fast ? ['-Zgzip', '-z1'] : ['-Zxz']
  if (!fast) console.error('[deb] packing the program and its Node: a minute or more, without another word')
  execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  console.log(file)
}

/** The bundle, its Node, and of koffi what is loaded: no sources, no library of another C library. */
function program() {
  const home = join(tree, 'usr/lib/pointsman')
  mkdirSync(home, { recursive: true })
  execFileSync(process.execPath, [join(root, 'tools/bundle.mjs'), join(home, 'pointsman.mjs')], { stdio: 'inherit' })
  withoutInterpreter(join(home, 'pointsman.mjs'))
  const node = join(root, 'node_modules', `node-linux-${process.arch}`)
  copy(join(node, 'bin/node'), 'usr/lib/pointsman/node')
  copy(join(node, 'LICENSE'), 'usr/lib/pointsman/LICENSE.node')
  for (const name of ['koffi', `@koromix/koffi-linux-${process.arch}`]) {
    const from = join(root, 'node_modules', name)
    for (const path of walk(from)) {
      const inside = relative(from, path)
      const loaded = /^[^/]+\.(c?js|json|txt)$|^src\/koffi\/(src\/)?[^/]+\.c?js$|^linux_\w+\/koffi\.node$/.test(inside)
      if (loaded && !/(cnoke|trampolines)\.cjs$/.test(inside)) copy(path, join('usr/lib/pointsman/node_modules', name, inside))
    }
  }
  copy('deploy/debian/pointsman.sh', 'usr/bin/pointsman')
}

/** It is for the Node beside it alone, and must not name the one of the machine. */
function withoutInterpreter(path) {
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^#!.*\n/, ''))
}

function system() {
  copy('deploy/debian/pointsman.yaml', 'etc/pointsman/pointsman.yaml')
  copy('deploy/systemd/pointsman.service', 'lib/systemd/system/pointsman.service')
  copy('deploy/sysusers.d/pointsman.conf', 'usr/lib/sysusers.d/pointsman.conf')
  copy('deploy/modules-load.d/pointsman.conf', 'usr/lib/modules-load.d/pointsman.conf')
  copy('deploy/sysctl.d/50-pointsman.conf', 'usr/lib/sysctl.d/50-pointsman.conf')
  copy('deploy/completion/pointsman.bash', 'usr/share/bash-completion/completions/pointsman')
  copy('deploy/completion/_pointsman', 'usr/share/zsh/vendor-completions/_pointsman')
  copy('deploy/completion/pointsman.fish', 'usr/share/fish/vendor_completions.d/pointsman.fish')
}

function documentation() {
  copy('deploy/debian/copyright', 'usr/share/doc/pointsman/copyright')
  copy('deploy/debian/lintian-overrides', 'usr/share/lintian/overrides/pointsman')
  for (const name of readdirSync(join(root, 'config'))) copy(join('config', name), `usr/share/doc/pointsman/examples/${name}`)
  // The runbook is read at night on the director, and its pages lead to others.
  copy('docs', 'usr/share/doc/pointsman/docs')
  for (const name of ['prometheus', 'grafana']) copy(join('deploy', name), `usr/share/doc/pointsman/examples/${name}`)
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')
  const entry = `pointsman (${revision}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${MAINTAINER}  ${date}\n`
  zipped('usr/share/doc/pointsman/changelog.Debian.gz', entry)
  zipped('usr/share/doc/pointsman/changelog.gz', readFileSync(join(root, 'CHANGELOG.md')))
  for (const [section, page] of [
    [1, 'pointsman.1'],
    [5, 'pointsman.yaml.5'],
  ])
    zipped(`usr/share/man/man${section}/${page}.gz`, readFileSync(join(root, 'deploy/man', page)))
}

function control() {
  const files = walk(tree).filter((path) => !statSync(path).isDirectory())
  const sums = files.map((path) => `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(tree, path)}\n`)
  const kibibytes = files.reduce((sum, path) => sum + Math.ceil(statSync(path).size / 1024), 0)
  const fields = [
    'Package: pointsman',
    `Version: ${revision}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kibibytes}`,
    ...RELATIONS,
    'Section: net',
    'Priority: optional',
    `Description: ${description.charAt(0).toLowerCase()}${description.slice(1)}`,
    ' Reads where the backends of virtual services are (Consul, DNS, an HTTP',
    ' server, files), asks with probes of its own which of them work, and makes',
    ' the IPVS table of the kernel follow, without cutting a connection.',
  ]
  write('DEBIAN/control', `${fields.join('\n')}\n`)
  write('DEBIAN/conffiles', '/etc/pointsman/pointsman.yaml\n')
  write('DEBIAN/md5sums', sums.join(''))
  for (const name of ['postinst', 'prerm', 'postrm']) copy(join('deploy/debian', name), `DEBIAN/${name}`)
}

function copy(from, to) {
  mkdirSync(dirname(join(tree, to)), { recursive: true })
  cpSync(resolve(root, from), join(tree, to), { recursive: true })
}

function write(to, content) {
  mkdirSync(dirname(join(tree, to)), { recursive: true })
  writeFileSync(join(tree, to), content)
}

function zipped(to, content) {
  write(to, gzipSync(content, { level: 9 }))
}

/** Everything below a folder, sorted, so that the package does not depend on the file system. */
function walk(from) {
  return readdirSync(from, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => join(from, name))
}

/** What is run has a line that says by what; Node is no script. */
function modeOf(path) {
  if (statSync(path).isDirectory() || path === join(tree, 'usr/lib/pointsman/node')) return 0o755
  return readFileSync(path).subarray(0, 2).toString() === '#!' ? 0o755 : 0o644
}

function lastCommitTime() {
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
    return Number(execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], options))
  } catch {
    return Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000)
  }
}
