/** The table as a Consul agent has it: its instances on nodes, and the configuration that follows them. */

import type { IpAddress, Port } from '../../src/model/address.ts'
import { BACKEND_PORT, backendAddress, numbers, SERVICE_PORT, type Shape, serviceAddress } from './shape.ts'

/** What `PUT /v1/catalog/register` takes of an instance. */
export interface Instance {
  readonly node: string
  readonly service: string
  readonly id: string
  readonly address: IpAddress
  readonly port: Port
}

/** As many hosts as a catalog of 10,000 instances may have; each has a check of its own, as hosts with an agent do. */
const NODES = 100

export const nodeName = (node: number): string => `host-${node % NODES}`

export function* nodeNames(): Generator<string> {
  for (const node of numbers(NODES)) yield nodeName(node)
}

export const consulServiceName = (service: number): string => `service-${service}`

/** The service that nobody follows but a plain client. */
export const BARE = 'bare'

/** Everything that is there before the measured registrations. */
export function* instancesOf(shape: Shape): Generator<Instance> {
  for (const service of numbers(shape.services)) {
    for (const backend of numbers(shape.backends)) yield instance(shape, consulServiceName(service), service, backend)
  }
  // Numbers behind those of the table.
  for (const backend of numbers(shape.backends)) yield instance(shape, BARE, shape.services + 1, backend)
}

/** The instance that a service gains. Its address is none of the table's. */
export function newInstance(shape: Shape, service: number): Instance {
  const name = consulServiceName(service)
  const address = backendAddress(shape, shape.services + 2, service)
  return { node: nodeName(service), service: name, id: `${name}-new`, address, port: BACKEND_PORT }
}

/** The instance that the service of the plain client gains, for its `count`th time. */
export function newBareInstance(shape: Shape, count: number): Instance {
  return { ...newInstance(shape, 0), node: nodeName(count), service: BARE, id: `${BARE}-new-${count}` }
}

function instance(shape: Shape, service: string, number: number, backend: number): Instance {
  const node = nodeName(number * shape.backends + backend)
  return { node, service, id: `${service}-${backend}`, address: backendAddress(shape, number, backend), port: BACKEND_PORT }
}

/** `address`, `tls`, `max_watches` of a consul source. */
export type ConsulKeys = Readonly<Record<string, unknown>>

export function consulConfigurationText(
  shape: Shape,
  source: ConsulKeys,
  { stateDirectory, adminPort }: { readonly stateDirectory: string; readonly adminPort: number },
): string {
  return JSON.stringify({
    global: { admin: `127.0.0.1:${adminPort}`, state_dir: stateDirectory, on_exit: 'keep' },
    defaults: { scheduler: shape.scheduler, health_check: { enabled: false } },
    services: [...numbers(shape.services)].map((service) => ({
      name: consulServiceName(service),
      listen: `${serviceAddress(service)}:${SERVICE_PORT}`,
      source: { consul: { service: consulServiceName(service), ...source } },
    })),
  })
}
