/** An apt of the tests' own, beside the machine's. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { LabError } from './lab-error.ts'

/** The mirror this machine uses. */
async function ownMirror(): Promise<string> {
  const uris = await command(['apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']).catch(() => '')
  const mirror = uris.split('\n').find((uri) => /debian\/?$/.test(uri))
  if (mirror === undefined)
    throw new LabError('apt knows no Debian mirror: name one in /etc/apt/sources.list and run apt-get update')
  return mirror
}

/**
 * Options for apt-get and apt-cache that make them know one suite alone, from the mirror that this machine uses; `dir` holds
 * their lists.
 */
export async function privateApt(suite: string, dir: string): Promise<readonly string[]> {
  const root = join(dir, suite)
  for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(root, name), { recursive: true })
  const list = join(root, 'sources.list')
  writeFileSync(list, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${await ownMirror()} ${suite} main\n`)
  const options = {
    'Dir::Etc::sourcelist': list,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State::lists': join(root, 'lists'),
    // What the machine has installed, from another suite, would be preferred and could not be downloaded.
    'Dir::State::status': '/dev/null',
    'Dir::Cache::archives': join(root, 'archives'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'APT::Default-Release': '',
    'Acquire::Check-Valid-Until': 'false',
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
  }
  return Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
}
