/** A server of the demo and its weight; a server that is not listed takes no new connections. */
export type Pool = Readonly<Record<string, number>>

/** One thing that happens while the traffic goes on, and what the audience should see. */
export interface Scene {
  /** One plain sentence. */
  readonly caption: string
  /** What the kernel's table must say when the scene ends. */
  readonly table: Pool
  play(): Promise<unknown>
}

export const VIP = '10.9.0.1'
export const VIP_PORT = 80
export const BACKEND_PORT = 8080

/** `ip:port` of each server. */
export type Servers = ReadonlyMap<string, string>

/** A configuration of the one service. `members` is where its members come from: lines of YAML. */
export function configurationOf(members: string, scheduler = 'wrr'): string {
  return `global:
  log_format: json
  resync_interval: 2s
services:
  - name: web
    listen: ${VIP}:${VIP_PORT}
    scheduler: ${scheduler}
    health_check: { enabled: false }
${members.replace(/^/gm, '    ')}
`
}
