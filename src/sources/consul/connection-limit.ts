import Consul from 'consul'
import * as z from 'zod'
import type { ConsulAgent } from './agents.ts'

/** Milliseconds for the answer. */
const PATIENCE = 3_000

/** `limits.http_max_conns_per_client` where an agent is not told otherwise. */
export const USUAL_LIMIT = 200

const selfSchema = z.object({ DebugConfig: z.object({ HTTPMaxConnsPerClient: z.int().min(0) }) })

/**
 * How many connections the agent takes from one address, `limits.http_max_conns_per_client`; 0 is no limit. Where the agent
 * does not say (no token with agent:read), its usual one; undefined where it gave no answer in time, so that it is worth
 * asking again. Never rejects.
 */
export async function connectionLimit(agent: ConsulAgent, token: string | undefined): Promise<number | undefined> {
  const { hostname, port } = agent.target
  const consul = new Consul({
    host: hostname?.includes(':') ? `[${hostname}]` : (hostname ?? 'localhost'),
    ...(port !== undefined && port !== null && { port: Number(port) }),
    secure: agent.secure,
    agent: agent.pool,
  })
  // The types of the package leave out `timeout`, without which a hung agent would hang us.
  const options: Parameters<typeof consul.agent.self>[0] & { timeout: number } = {
    timeout: PATIENCE,
    ...(token !== undefined && { token }),
  }
  try {
    const self = selfSchema.safeParse(await consul.agent.self(options))
    return self.data?.DebugConfig.HTTPMaxConnsPerClient ?? USUAL_LIMIT
  } catch (error) {
    return typeof (error as { statusCode?: unknown }).statusCode === 'number' ? USUAL_LIMIT : undefined
  }
}
