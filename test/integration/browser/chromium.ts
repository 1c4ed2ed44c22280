/** The real Chromium without a window, led by playwright-core. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { chromiumPrograms } from '../../peers/chromium.ts'
import { libraryPath } from '../../peers/debian-package.ts'
import { peerFolder } from '../../peers/place.ts'

/** It knows the machine's own names and those of `hosts`, all of which are 127.0.0.1, and no other. */
export async function startChromium(hosts: readonly string[] = []): Promise<Browser> {
  const unpacked = await chromiumPrograms()
  const { path } = peerFolder('chromium')
  const fonts = join(path, 'fonts.conf')
  writeFileSync(fonts, fontsConf(unpacked, path))
  const rules = [...hosts.map((host) => `MAP ${host} 127.0.0.1`), 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1', 'EXCLUDE localhost']
  return chromium.launch({
    executablePath: join(unpacked, 'usr/lib/chromium/chromium'),
    // Its sandbox wants a user other than root, and namespaces that a container does not give.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--host-resolver-rules=${rules.join(', ')}`],
    env: { PATH: process.env['PATH'] ?? '', HOME: path, LD_LIBRARY_PATH: libraries(unpacked), FONTCONFIG_FILE: fonts },
    timeout: 60_000,
  })
}

/** The library of PulseAudio has one of its own in a folder that programs do not look into. */
function libraries(unpacked: string): string {
  const path = libraryPath(unpacked)
  return [path, ...path.split(':').map((folder) => `${folder}/pulseaudio`)].join(':')
}

/** Nothing of the machine's own, so that pages look alike everywhere. */
function fontsConf(unpacked: string, cache: string): string {
  return `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>${join(unpacked, 'usr/share/fonts/truetype/liberation')}</dir><cachedir>${cache}</cachedir>
<match target="pattern"><edit name="family" mode="append_last"><string>Liberation Sans</string></edit></match>
</fontconfig>`
}
