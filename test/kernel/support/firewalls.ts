/** What tests of filters ask: who is let through, and what the doctor says of it. */

import type { Lab } from '../../lab/lab.ts'
import type { Host } from '../../lab/topology.ts'
import { pointsman } from './pointsman.ts'

/** Whom the real server saw, or `none`; all are asked at once (`tcp/10.9.0.1/80`), and waited for no longer than so many seconds. */
export async function askAll(lab: Lab, host: Host, asked: readonly string[], seconds: number): Promise<string[]> {
  const each = asked.map((road, index) => {
    // A datagram may get lost on a busy machine; who asks by TCP is answered once, and then nobody is there to be asked.
    const question = `exec 3<>/dev/${road} && { for try in 1 2 3 4 5 6; do echo "who am I?" >&3; sleep 1; done 2>/dev/null & head -n 1 <&3; kill $!; }`
    return `{ answer=$(timeout ${seconds} bash -c '${question}' 2>/dev/null); echo "${index} ${'$'}{answer:-none}"; } &`
  })
  const lines = (await lab.check(`${each.join(' ')} wait`, { netns: host.netns })).trim().split('\n')
  return lines.sort().map((line) => (line.split(' ')[1] ?? '').replace('::ffff:', ''))
}

/** A line of the doctor. */
export interface Check {
  readonly check: string
  readonly verdict: string
  readonly message: string
  readonly run?: string
  readonly cure?: string
}

export async function firewallChecks(lab: Lab, netns: string, configuration: string): Promise<Check[]> {
  const { stdout } = await pointsman(lab, ['doctor', '--config', configuration, '--json'], { netns })
  return (JSON.parse(stdout) as { checks: Check[] }).checks.filter(({ check }) => check === 'firewall')
}
