import type { Pool, Servers } from './scene.ts'
import type { Stagehand } from './stagehand.ts'

/** Address and port in hexadecimal digits, and the weight. */
const DESTINATION = /^ {2}-> ([0-9A-F]{8}):([0-9A-F]{4}) +\w+ +(\d+)/gm

/** Who takes new connections by the kernel's own table. */
export async function readTable(stagehand: Stagehand, servers: Servers): Promise<Pool> {
  const text = await stagehand.wish({ do: 'read-table' })
  const weights = new Map([...text.matchAll(DESTINATION)].map(([, host = '', port = '', weight]) => [plain(host, port), weight]))
  const pool = [...servers].map(([server, address]) => [server, Number(weights.get(address) ?? 0)] as const)
  return Object.fromEntries(pool.filter(([, weight]) => weight > 0))
}

/** `10.2.1.2:8080` for `0A020102` and `1F90`. */
const plain = (host: string, port: string): string => `${Buffer.from(host, 'hex').join('.')}:${Number.parseInt(port, 16)}`

export function sameTable(one: Pool, other: Pool): boolean {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
}
