/** Lines of the doctor about files, the clock and addresses that VRRP brings, in namespaces of this machine: each is broken, what is printed is done, and the line is ok. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/addresses/link-of-four.ts'
import { ailment, commandOf, expectIll, expectWell, lineOf, NOBODY } from '../support/doctor.ts'
import { DoctorsDirector, namespacesHere } from './doctor-director.ts'

const WEB = { name: 'web', listen: '10.77.9.9:80', backends: ['10.77.0.2:80'] }

/**
 * A copy of this machine in FOLDER/root, from which nftables is removed, with a mirror of its own that has what is installed here. What the copy shares with the
 * machine is the kernel.
 */
const withoutNftables = (folder: string) => `
  mount -t tmpfs copy ${folder}; cd ${folder}; mkdir upper work root mirror
  for name in libnftables1 nftables; do
    mkdir -p deb/$name/DEBIAN
    dpkg-query -L $name | while read -r file; do [ -d "$file" ] || [ ! -e "$file" ] || echo ".$file"; done | tar -C / -c -T - | tar -C deb/$name -x
    dpkg-query -s $name | sed -n '/^Conffiles:/,/^[^ C]/{/^[ C]/d};/^Status:/!p' >deb/$name/DEBIAN/control
    dpkg-deb --root-owner-group -Znone --build deb/$name mirror/$name.deb >/dev/null
    { cat deb/$name/DEBIAN/control; echo "Filename: ./$name.deb"; echo "Size: $(stat -c %s mirror/$name.deb)"
      echo "SHA256: $(sha256sum mirror/$name.deb | cut -d' ' -f1)"; echo; } >>mirror/Packages
  done
  mount -t overlay -o lowerdir=/,upperdir=${folder}/upper,workdir=${folder}/work none root
  mkdir -p root/mirror; mount --bind mirror root/mirror; mount --rbind /proc root/proc; mount --rbind /dev root/dev
  rm -rf root/etc/apt/sources.list.d root/etc/apt/apt.conf.d root/var/lib/apt/lists
  echo 'deb [trusted=yes] file:/mirror ./' >root/etc/apt/sources.list
  export DEBIAN_FRONTEND=noninteractive
  chroot root sh -ec 'dpkg --purge --force-depends nftables libnftables1; apt-get -o APT::Sandbox::User=root update' 2>&1`

describe.skipIf(!namespacesHere)('the files of a director', { timeout: 180_000 }, () => {
  let director: DoctorsDirector

  beforeAll(async () => {
    director = await DoctorsDirector.start()
  })
  afterAll(async () => void (await director?.[Symbol.asyncDispose]()))

  test('a configuration that is not valid, until the command that is printed says nothing more', async () => {
    const line = ailment('the file', /services\[0\]\.backend/, 'fail', /doctor\.yaml is valid, 1 service$/)
    const { backends, ...less } = WEB
    const config = await director.configured([{ ...less, backend: backends }])
    const ill = await director.looksAt(config)
    expectIll(ill, [line])
    const command = commandOf(lineOf(ill, line))
    await expect(director.paste(command)).rejects.toThrow()
    await director.configured([WEB])
    await director.paste(command)
    expectWell(await director.looksAt(config), [line])
  })

  test('a full file system, one in memory, and one with little room', async () => {
    const [memory, lower] = [await director.directory('memory'), await director.directory('narrow')]
    const state = join(lower, 'state')
    const [full, lost, narrow] = [
      ailment('full', /\/memory cannot be written \(ENOSPC\)$/, 'fail', /\/memory is writable$/),
      ailment('in memory', /\/memory is in memory \(.*\/memory\): the last good answers/, 'warn', /\/narrow\/state has room$/),
      ailment('little room', /\/narrow\/state has \d+ KiB left$/, 'warn', /\/narrow\/state has room$/),
    ] as const
    await director.paste(`mount -t tmpfs -o size=64k none ${memory}; head -c 64k /dev/zero >${memory}/full || true`)
    // What lies over a file system in memory is none to the kernel, and as small.
    await director.paste(`mount -t tmpfs -o size=4m none ${lower}; cd ${lower}; mkdir upper work state
      mount -t overlay -o lowerdir=/etc,upperdir=${lower}/upper,workdir=${lower}/work none ${state}`)
    const inMemory = await director.configured([WEB], { state_dir: memory })
    const ill = await director.looksAt(inMemory)
    expectIll(ill, [full])
    expect(lineOf(ill, full)?.cure).toBe(`make room on ${memory}, or set global.state_dir to another`)
    await director.paste(`rm ${memory}/full`)
    const roomy = await director.looksAt(inMemory)
    expectWell(roomy, [full])
    expectIll(roomy, [lost])
    const onDisk = await director.configured([WEB], { state_dir: state })
    const small = await director.looksAt(onDisk)
    expectIll(small, [narrow])
    expect(lineOf(small, narrow)?.cure).toContain(`make room on ${state}`)
    await director.paste(`mount -o remount,size=64m none ${lower}`)
    expectWell(await director.looksAt(onDisk), [lost, narrow])
    await director.paste(`umount ${state} ${lower} ${memory}`)
  })

  test('a directory of this user that is closed, by the command that is printed', async () => {
    const state = await director.directory('closed')
    await chown(state, 65534, 65534)
    await chmod(state, 0o500)
    const line = ailment('closed', /\/closed cannot be written \(EACCES\)$/, 'fail', /\/closed is writable$/)
    const config = await director.configured([WEB], { state_dir: state })
    const ill = await director.looksAt(config, { under: NOBODY })
    expectIll(ill, [line])
    expect(lineOf(ill, line)).toMatchObject({ run: `chmod u+rwx ${state}` })
    await director.paste(commandOf(lineOf(ill, line)))
    expectWell(await director.looksAt(config, { under: NOBODY }), [line])
  })

  test('a record of a later version, moved away', async () => {
    const state = await director.directory('later')
    const record = join(state, 'ownership.json')
    await writeFile(record, '{"format":"pointsman-ownership","version":99}\n')
    const line = ailment(
      'later',
      /ownership\.json was written by a later version of Pointsman \(format 99\): run that version/,
      'fail',
      /^none yet$/,
    )
    const config = await director.configured([WEB], { state_dir: state })
    expectIll(await director.looksAt(config), [line])
    await director.paste(`mv ${record} ${record}.away`)
    expectWell(await director.looksAt(config), [line])
  })

  test('nftables that is not installed, by the command that is printed', async (context) => {
    if (spawnSync('dpkg', ['-s', 'nftables', 'libnftables1']).status !== 0) context.skip('dpkg has not installed nftables here')
    const folder = await director.directory('copy')
    const line = ailment(
      'nftables',
      /^Neither libnftables\.so\.1 nor the program nft is installed/,
      'fail',
      /^it can be made \((libnftables|nft)\b/,
    )
    const config = await director.configured([{ ...WEB, full_nat: true }])
    await director.paste(withoutNftables(folder))
    const there = ['chroot', join(folder, 'root')]
    const ill = await director.looksAt(config, { under: there })
    expectIll(ill, [line])
    expect(commandOf(lineOf(ill, line))).toBe('apt-get install -y nftables')
    await director.paste(`chroot ${folder}/root sh -c '${commandOf(lineOf(ill, line))}' 2>&1`)
    expectWell(await director.looksAt(config, { under: there }), [line])
  })

  test('addresses that VRRP has not brought yet: no command, and ok once it has', async () => {
    const ailments = [
      ailment('the address', /^10\.77\.0\.60 \(web\) is on no interface/, 'warn', /^every address of a service is on this host$/),
      ailment('the source', /^10\.77\.0\.61 \(snat_ip of web\) is on no interface/, 'warn', /^snat_ip of web is on this host$/),
    ]
    const config = await director.configured([{ ...WEB, listen: '10.77.0.60:80', full_nat: true, snat_ip: '10.77.0.61' }])
    const folder = await director.directory('vrrp')
    const keepalived = async (configuration: string) => {
      await director.file('vrrp/keepalived.conf', configuration)
      const files = ['-p', `${folder}/k.pid`, '-r', `${folder}/v.pid`, '-f', `${folder}/keepalived.conf`]
      return director.beside(['sh', '-c', 'echo up; exec "$@" 2>&1', 'sh', 'keepalived', '-n', '-l', '--vrrp', ...files], /up/)
    }
    const idle = await keepalived('global_defs {\n}\n')
    const seen = await until(
      () => director.looksAt(config),
      (checks) => checks.some(({ message }) => message.includes('runs for VRRP alone')),
    )
    expectIll(seen, ailments)
    for (const each of ailments) {
      expect(lineOf(seen, each)?.cure).toMatch(
        /^right as it is while another director has the address: keepalived \(process \d+\) moves/,
      )
      expect(lineOf(seen, each)).not.toHaveProperty('run')
    }
    const ended = once(idle, 'close')
    idle.kill('SIGTERM')
    await ended
    const moved = '10.77.0.60/24 dev eth0\n10.77.0.61/24 dev eth0'
    await keepalived(
      `vrrp_instance V {\n state MASTER\n interface eth0\n virtual_router_id 7\n priority 150\n advert_int 1\n virtual_ipaddress {\n${moved}\n}\n}\n`,
    )
    const brought = () => director.paste('ip -o address show dev eth0')
    expect(await until(brought, (addresses) => addresses.includes('10.77.0.61'))).toContain('10.77.0.61')
    expectWell(await director.looksAt(config), ailments)
  })
})
