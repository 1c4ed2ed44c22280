/** What a peer needs of the machine: an address and a folder of its own. */

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * An IPv4 loopback address that nobody else uses (127.64.0.0/10, drawn at random). With an address of its own a peer keeps
 * its usual ports, also over a restart: nobody takes them meanwhile, for what connects without choosing an address does so
 * from 127.0.0.1.
 */
export function loopbackAddress(): string {
  return `127.${randomInt(64, 128)}.${randomInt(0, 256)}.${randomInt(1, 255)}`
}

let home: string | undefined

/** One folder per test process, removed when the process ends in whatever way: then the sweeper's input ends. */
function makeHome(): string {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-peers-'))
  // Twice, because what a killed process still had in hand may be written after the first time.
  const sweep = `trap '' INT TERM HUP; cat >/dev/null; rm -rf "$1"; sleep 1; rm -rf "$1"`
  const sweeper = spawn('sh', ['-c', sweep, 'sweeper', dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  sweeper.unref()
  ;(sweeper.stdin as typeof sweeper.stdin & { unref(): void }).unref()
  return dir
}

export interface PeerFolder {
  readonly path: string
  remove(): void
}

/** A fresh folder; it is gone with the test process at the latest. */
export function peerFolder(name: string): PeerFolder {
  home ??= makeHome()
  const path = mkdtempSync(join(home, `${name}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) }
}
