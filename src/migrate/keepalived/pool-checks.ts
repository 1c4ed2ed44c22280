import { isDeepStrictEqual } from 'node:util'
import type { IpAddress } from '../../model/address.ts'
import type { LeftOut, Written } from '../imported.ts'
import { withOneCommand } from './misc-check.ts'
import { leftOut } from './notes.ts'
import type { Check } from './options.ts'

/** The checks of one real server, and whom they ask where they do not say. */
export interface CheckedServer {
  readonly name: string
  readonly address: IpAddress
  readonly port: number
  /** That of its backend here, which is another one where packets keep the port that they came for. */
  readonly backendPort: number
  readonly checks: readonly Check[]
}

export interface PoolChecks {
  /** `health_check`, or `health_checks`; nothing where no server is asked. */
  readonly written: Written
  readonly notes: readonly string[]
}

/**
 * One set of checks for all real servers of a virtual server: keepalived asks each in its own way, and here all backends of a
 * service are asked alike. Where they differ, that of most servers counts, and the others are listed.
 */
export function poolChecks(all: readonly CheckedServer[], left: LeftOut[]): PoolChecks {
  const servers = withOneCommand(all, left)
  const own = portsAreOwn(servers)
  const sets = servers.map((server) => {
    const checks = writtenOf(server, own)
    // Comparing each with each would take minutes for pools of thousands. Their keys are written in one order.
    return { server, checks, said: JSON.stringify(checks) }
  })
  const asked = sets.filter(({ checks }) => checks.length > 0)
  const [first, ...others] = asked
  const unasked = all.filter(({ checks }) => checks.length === 0).map(({ name }) => name)
  if (first === undefined)
    return { written: {}, notes: unasked.length === all.length ? ['keepalived checks none of these servers.'] : [] }
  const votes = new Map<string, number>()
  for (const { said } of asked) votes.set(said, (votes.get(said) ?? 0) + 1)
  const votesFor = ({ said }: { readonly said: string }) => votes.get(said) ?? 0
  const chosen = others.reduce((best, set) => (votesFor(set) > votesFor(best) ? set : best), first)
  for (const { server, said } of asked) if (said !== chosen.said) tellDifferent(server, chosen.server.name, left)
  const notes =
    unasked.length === 0 ? [] : [`keepalived asked nothing of ${unasked.join(', ')}; here all backends are asked alike.`]
  const [check, ...more] = chosen.checks
  return { written: more.length === 0 ? { health_check: check } : { health_checks: chosen.checks }, notes }
}

function tellDifferent(server: CheckedServer, as: string, left: LeftOut[]): void {
  for (const { directive } of server.checks)
    left.push(
      leftOut(
        directive,
        `${server.name} was checked in another way than ${as}, and all backends of a service are asked alike`,
        'write health_checks: that suit all of them, or make services of their own',
      ),
    )
}

/** Whether the checks of one place in the list ask each server at the port of its backend. */
function portsAreOwn(servers: readonly CheckedServer[]): readonly boolean[] {
  const most = Math.max(0, ...servers.map(({ checks }) => checks.length))
  return Array.from({ length: most }, (_, at) =>
    servers.every(({ port, backendPort, checks }) => checks[at] === undefined || (checks[at].port ?? port) === backendPort),
  )
}

/** Without what is there twice, which tells nothing new. */
function writtenOf({ port, checks }: CheckedServer, own: readonly boolean[]): readonly Written[] {
  const written = checks.map((check, at): Written => {
    const asked = check.port ?? port
    return {
      ...(check.address !== undefined && { address: check.address }),
      ...(!own[at] && asked !== 0 && { port: asked }),
      ...check.written,
    }
  })
  return written.filter((check, at) => written.findIndex((other) => isDeepStrictEqual(other, check)) === at)
}
