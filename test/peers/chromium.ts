/** The real Chromium (Debian bookworm). */

import { unpackedPackages } from './debian-package.ts'

/** The folder that holds usr/lib/chromium, its libraries and its fonts. */
export function chromiumPrograms(): Promise<string> {
  const packages = ['chromium', 'chromium-common', 'fonts-liberation']
  return unpackedPackages({ name: 'chromium', suite: 'bookworm', packages })
}
