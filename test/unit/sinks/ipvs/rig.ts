import type { IpvsCommand } from '../../../../src/kernel/for-sinks.ts'
import { destinationKey } from '../../../../src/model/destination.ts'
import { type ServiceIdentity, serviceKey } from '../../../../src/model/virtual-service.ts'
import { createIpvsSink, type IpvsSinkOptions } from '../../../../src/sinks/ipvs/ipvs-sink.ts'
import type { Transition } from '../../../../src/sinks/ipvs/transition.ts'
import { FakeKernel } from '../../../support/fake-kernel.ts'
import { FakeOwnership } from '../../../support/fake-ownership.ts'

/** A sink on a fake kernel, and what both of them saw. */
export function rig(options: Partial<IpvsSinkOptions> & { kernel?: FakeKernel; ownership?: FakeOwnership } = {}) {
  const kernel = options.kernel ?? new FakeKernel()
  const ownership = options.ownership ?? new FakeOwnership()
  const transitions: Transition[] = []
  const sink = createIpvsSink({
    random: () => 0.5,
    onTransition: (transition) => transitions.push(transition),
    ...options,
    kernel,
    ownership,
  })
  return {
    kernel,
    ownership,
    sink,
    transitions,
    /** What was written since the last call, one text per command. */
    written: () => kernel.written.splice(0).map(commandText),
  }
}

/** `edit-destination tcp/10.0.0.1:80 10.1.0.1:80 weight 0`. */
export function commandText(command: IpvsCommand): string {
  switch (command.kind) {
    case 'add-service':
    case 'edit-service':
      return `${command.kind} ${serviceKey(command.service.identity)} ${command.service.scheduler}`
    case 'delete-service':
      return `${command.kind} ${serviceKey(command.service)}`
    case 'add-destination':
    case 'edit-destination':
      return `${destinationText(command.kind, command.service, command.destination)} weight ${command.destination.weight}`
    case 'delete-destination':
      return destinationText(command.kind, command.service, command.destination)
    default:
      return command.kind
  }
}

function destinationText(kind: string, service: ServiceIdentity, destination: Parameters<typeof destinationKey>[0]): string {
  return `${kind} ${serviceKey(service)} ${destinationKey(destination)}`
}
