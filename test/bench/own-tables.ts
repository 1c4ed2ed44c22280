/** The tables as Pointsman has them: desired state, commands for the kernel, configuration file. */

import type { IpvsCommand } from '../../src/kernel/ipvs-kernel.ts'
import { ChunkedMap } from '../../src/model/chunked-map.ts'
import type { DesiredDestination, DesiredService, DesiredState } from '../../src/model/desired-state.ts'
import { type DestinationKey, destinationKey } from '../../src/model/destination.ts'
import { serviceKey } from '../../src/model/virtual-service.ts'
import {
  BACKEND_PORT,
  backendAddress,
  numbers,
  SERVICE_PORT,
  type Shape,
  serviceAddress,
  serviceIdentity,
  WEIGHT,
} from './shape.ts'

const NAT = Object.freeze({ method: 'nat' as const })

export function desiredState(shape: Shape): DesiredState {
  const services = [...numbers(shape.services)].map((service) => desiredService(shape, service))
  return { services: new Map(services.map((service) => [serviceKey(service.identity), service])) }
}

function desiredService(shape: Shape, service: number): DesiredService {
  const destinations: [DestinationKey, DesiredDestination][] = []
  for (const backend of numbers(shape.backends)) {
    const destination = desiredDestination(shape, service, backend, WEIGHT)
    destinations.push([destinationKey(destination), destination])
  }
  return {
    name: `service-${service}`,
    identity: serviceIdentity(service),
    scheduler: shape.scheduler,
    destinations: ChunkedMap.from(destinations),
    complete: true,
    drainTimeout: 300_000,
    adopt: 'named',
  }
}

function desiredDestination(shape: Shape, service: number, backend: number, weight: number): DesiredDestination {
  const address = backendAddress(shape, service, backend)
  return { address, port: BACKEND_PORT, forwarding: NAT, weight, reasons: [`configured weight ${weight}`] }
}

/** The same state but for the weight of one backend; everything else is shared, as the pipeline shares it. */
export function reweighted(desired: DesiredState, shape: Shape, service: number, backend: number, weight: number): DesiredState {
  const key = serviceKey(serviceIdentity(service))
  const before = desired.services.get(key)
  if (before === undefined) throw new Error(`the table has no service ${key}`)
  const destination = desiredDestination(shape, service, backend, weight)
  const destinations = before.destinations.with(destinationKey(destination), destination)
  return { ...desired, services: new Map(desired.services).set(key, { ...before, destinations }) }
}

/** The commands that make the table, in the order in which `restoreText` has them. */
export function commandsFor(shape: Shape): readonly IpvsCommand[] {
  const commands: IpvsCommand[] = []
  for (const number of numbers(shape.services)) {
    const identity = serviceIdentity(number)
    const flags = { flag1: false, flag2: false, flag3: false }
    commands.push({ kind: 'add-service', service: { identity, scheduler: shape.scheduler, flags, onePacket: false } })
    for (const backend of numbers(shape.backends)) {
      commands.push({ kind: 'add-destination', service: identity, destination: destination(shape, number, backend, WEIGHT) })
    }
  }
  return commands
}

/** The command that gives the first backend another weight. */
export function weightCommand(shape: Shape, weight: number): IpvsCommand {
  return { kind: 'edit-destination', service: serviceIdentity(0), destination: destination(shape, 0, 0, weight) }
}

function destination(shape: Shape, service: number, backend: number, weight: number) {
  const address = backendAddress(shape, service, backend)
  return { address, port: BACKEND_PORT, forwarding: NAT, weight, upperThreshold: 0, lowerThreshold: 0 }
}

export interface ConfigurationOptions {
  readonly stateDirectory: string
  readonly adminPort: number
  readonly perBackendMetrics: boolean
  /** Milliseconds. */
  readonly resyncInterval: number
}

/** A configuration file for `start`. */
export function configurationText(shape: Shape, options: ConfigurationOptions): string {
  const lines = [
    'global:',
    `  admin: 127.0.0.1:${options.adminPort}`,
    `  state_dir: ${options.stateDirectory}`,
    `  per_backend_metrics: ${options.perBackendMetrics}`,
    `  resync_interval: ${options.resyncInterval}ms`,
    '  on_exit: keep',
    `defaults: { scheduler: ${shape.scheduler}, health_check: { enabled: false } }`,
    'services:',
  ]
  for (const service of numbers(shape.services)) {
    lines.push(`  - name: service-${service}`, `    listen: ${serviceAddress(service)}:${SERVICE_PORT}`)
    lines.push('    backends:')
    for (const backend of numbers(shape.backends)) {
      lines.push(`      - { address: "${backendAddress(shape, service, backend)}:${BACKEND_PORT}", weight: ${WEIGHT} }`)
    }
  }
  return `${lines.join('\n')}\n`
}
