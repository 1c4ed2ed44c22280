import type { Lab } from '../../lab/lab.ts'
import { unpackedIptables } from '../../peers/iptables.ts'

/** A folder of programs that takes its place in front of /usr/sbin for one process. */
export interface ProgramFolder {
  readonly path: string
  /** Words in front of that process. */
  readonly under: readonly string[]
}

interface Installed {
  readonly variant: 'nft' | 'legacy'
  /** What the programs are called: `iptables` as a distribution has them, or with their variant, `iptables-nft`. */
  readonly called: 'iptables' | 'by variant'
}

/** A folder with Debian's iptables, or with nothing; with `hidden` neither libnftables nor nft is found by that process. */
export async function iptablesFolder(
  lab: Lab,
  name: string,
  installed: Installed | undefined,
  hidden: 'nftables' | 'nothing' = 'nothing',
): Promise<ProgramFolder> {
  const path = `/run/lab/${name}`
  await lab.check(`mkdir -p ${path}`)
  if (installed !== undefined) await install(lab, path, installed)
  const mounts = [`mount -t overlay overlay -o lowerdir=${path}:/usr/sbin /usr/sbin`]
  if (hidden === 'nftables') {
    // What overlays take for a file that is deleted.
    await lab.check(`[ -e ${path}/nft ] || mknod ${path}/nft c 0 0`)
    mounts.push('for file in /usr/lib/*-linux-gnu/libnftables.so.1; do mount --bind /dev/null $file; done')
  }
  return { path, under: ['unshare', '--mount', 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh'] }
}

async function install(lab: Lab, folder: string, { variant, called }: Installed): Promise<void> {
  const { path, env } = await unpackedIptables()
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  for (const family of ['iptables', 'ip6tables'])
    for (const verb of ['', '-save', '-restore']) {
      const program = `${family}-${variant}${verb}`
      const line = `#!/bin/sh\nexec env ${variables.join(' ')} ${path}/${program} "$@"\n`
      await lab.writeFile(`${folder}/${called === 'iptables' ? `${family}${verb}` : program}`, line, 0o755)
    }
}
