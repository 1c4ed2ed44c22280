/** Whether a kernel (`6.1.0-18-amd64`) is older than a version. */
export function isBefore(release: string, major: number, minor: number): boolean {
  const [, a = 0, b = 0] = (/^(\d+)\.(\d+)/.exec(release) ?? []).map(Number)
  return a < major || (a === major && b < minor)
}
