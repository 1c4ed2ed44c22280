import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Probe } from '../../src/health/probe.ts'
import { probeFor } from '../../src/health/registry.ts'
import type { ProbeTarget } from '../../src/health/target.ts'
import { formatEndpoint } from '../../src/model/address.ts'
import type { ProbeResult } from '../../src/model/probe-result.ts'
import type { ProbeKind } from '../../src/model/probe-spec.ts'
import { serviceKey } from '../../src/model/virtual-service.ts'
import { identity, key } from '../support/desired.ts'
import { FakeHost } from '../unit/daemon/fake-host.ts'

/** A table in memory, and real probes, whose results are kept. */
export class ProbingHost extends FakeHost {
  readonly #outcomes = new Map<string, ProbeResult['outcome'][]>()

  override probeFor(kind: ProbeKind, target: ProbeTarget): Probe {
    const probe = probeFor(kind, target)
    return async (signal) => {
      const result = await probe(signal)
      this.outcomes(formatEndpoint(target.address, target.port)).push(result.outcome)
      return result
    }
  }

  /** What the probes of a backend came to, the newest last. */
  outcomes(backend: string): ProbeResult['outcome'][] {
    const known = this.#outcomes.get(backend) ?? []
    this.#outcomes.set(backend, known)
    return known
  }
}

const HIGHEST = 30

/** Backends that listen on addresses of loopback, 127.0.1.N, all on one port, until the test is over. */
export class LoopbackPool {
  readonly port: number
  readonly #listen: () => Server
  readonly #servers = new Map<number, Server>()

  /** `listen` makes a server; by default one that accepts connections and says nothing. */
  constructor(port: number, listen = () => createServer((socket) => socket.on('error', () => {}).resume())) {
    this.port = port
    this.#listen = listen
    onTestFinished(() => this.close(...this.#servers.keys()))
  }

  async open(...numbers: number[]): Promise<void> {
    for (const number of numbers) {
      const server = this.#listen()
      server.listen(this.port, this.address(number))
      await once(server, 'listening')
      this.#servers.set(number, server)
    }
  }

  async close(...numbers: number[]): Promise<void> {
    for (const number of numbers) {
      const server = this.#servers.get(number)
      this.#servers.delete(number)
      await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
    }
  }

  address(number: number): string {
    return `127.0.1.${number}`
  }

  backend(number: number): string {
    return `${this.address(number)}:${this.port}`
  }

  /** Those of them that the kernel would send new connections to. `listen`: of the service. */
  servingIn({ kernel }: FakeHost, listen: string): number[] {
    const service = serviceKey(identity(`tcp/${listen}`))
    return range(1, HIGHEST).filter((number) => (kernel.destination(service, key(this.backend(number)))?.weight ?? 0) > 0)
  }
}

/** For a pool: answers every request with the status of the moment. */
export function answering(status: () => number): () => Server {
  return () => createHttpServer((_, response) => response.writeHead(status()).end())
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}
