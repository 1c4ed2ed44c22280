/** The firewall programs of Debian with all that they need, as one archive of files in their places: what installs them for the time of a test. */

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from '../lab/cache.ts'
import { command } from '../lab/command.ts'
import { unpackedPackages } from './debian-package.ts'

/** ufw 0.36 and firewalld 1.3, their Python and their bus. */
const PACKAGES = [
  'ufw',
  'firewalld',
  'python3-firewall',
  'python3-nftables',
  'python3-dbus',
  'python3-gi',
  'gir1.2-glib-2.0',
  'python3',
  'python3-minimal',
  'python3.11',
  'python3.11-minimal',
  'dbus-daemon',
  'iptables',
]

/** Raised whenever what is in the archive changes. */
const recipe = 2

/** What nobody reads here. */
const LEFT_OUT = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/lintian', 'usr/lib/systemd']

/** The scripts that Debian runs at an installation: files of ufw from its templates, and the names of iptables. */
const INSTALL = [
  'mkdir -p usr/lib usr/sbin var/log',
  // Where /lib and /sbin are links.
  'for name in lib sbin bin; do if [ -d $name ]; then cp -a $name/. usr/$name/ && rm -r $name; fi; done',
  'for name in before before6 after after6 user user6; do install -m 640 usr/share/ufw/$name.rules etc/ufw/; done',
  'install -m 640 usr/share/ufw/before.init usr/share/ufw/after.init usr/share/ufw/ufw.conf etc/ufw/',
  'chmod 644 etc/ufw/ufw.conf',
  'for name in iptables ip6tables; do for verb in "" -save -restore; do ln -sf $name-nft$verb usr/sbin/$name$verb; done; done',
  // An emulated machine would take long to compile it at each first start.
  'export LD_LIBRARY_PATH=$(echo $PWD/usr/lib/*-linux-gnu) PYTHONHOME=$PWD/usr',
  'usr/bin/python3.11 -m compileall -q -s "$PWD" usr/lib/python3 usr/lib/python3.11',
].join('\n')

/** A bus without the accounts of the package. */
const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow user="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`

/** Where the configuration of that bus is. */
export const BUS_CONFIGURATION = '/etc/dbus-1/lab.conf'

/** Path of the archive, which has `usr` and `etc` in it. Throws a LabError when apt cannot fetch the packages. */
export async function firewallPrograms(): Promise<string> {
  const unpacked = await unpackedPackages({ name: 'firewalls', suite: 'bookworm', packages: PACKAGES })
  const dir = await cached(`packages/firewalls-bookworm.archive${recipe}`, async (draft) => {
    const tree = join(draft, 'tree')
    mkdirSync(tree)
    await command(['cp', '-a', `${unpacked}/.`, tree])
    await command(['sh', '-ec', INSTALL], { cwd: tree })
    mkdirSync(join(tree, 'etc/dbus-1'), { recursive: true })
    writeFileSync(join(tree, BUS_CONFIGURATION), BUS)
    const excludes = LEFT_OUT.map((path) => `--exclude=./${path}`)
    await command([
      'tar',
      '-C',
      tree,
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      ...excludes,
      '-cf',
      join(draft, 'files.tar'),
      './usr',
      './etc',
    ])
    for (const name of readdirSync(draft)) if (name !== 'files.tar') await command(['rm', '-r', join(draft, name)])
  })
  return join(dir, 'files.tar')
}
