import type { AnyIpvsCommand } from '../ipvs-kernel.ts'
import { NLM_F_REQUEST } from '../netlink/constants.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { COMMAND } from './constants.ts'
import { encodeDestination, encodeDestinationName } from './destination-codec.ts'
import { encodeIdentityNest, encodeService } from './service-codec.ts'
import { encodeTimeouts } from './settings-codec.ts'
import { encodeSyncDaemon, encodeSyncDaemonRole } from './sync-daemon-codec.ts'

const NUMBER: Readonly<Record<AnyIpvsCommand['kind'], number>> = {
  'add-service': COMMAND.newService,
  'edit-service': COMMAND.setService,
  'delete-service': COMMAND.delService,
  'add-destination': COMMAND.newDest,
  'edit-destination': COMMAND.setDest,
  'delete-destination': COMMAND.delDest,
  'set-timeouts': COMMAND.setConfig,
  'start-sync-daemon': COMMAND.newDaemon,
  'stop-sync-daemon': COMMAND.delDaemon,
  zero: COMMAND.zero,
  flush: COMMAND.flush,
}

/**
 * Room that no message outgrows: names of schedulers, engines and interfaces are checked before they get here, and the
 * kernel takes 15 characters.
 */
export const LARGEST_MESSAGE = 512

/** Writes one command as a message that asks for no acknowledgement: only a refusal is answered. */
export function encodeCommand(writer: MessageWriter, command: AnyIpvsCommand, family: number, sequence: number): void {
  const start = writer.begin(family, NLM_F_REQUEST, sequence, NUMBER[command.kind])
  encodeAttributes(writer, command)
  writer.end(start)
}

function encodeAttributes(writer: MessageWriter, command: AnyIpvsCommand): void {
  switch (command.kind) {
    case 'add-destination':
    case 'edit-destination':
      encodeIdentityNest(writer, command.service)
      encodeDestination(writer, command.destination)
      return
    case 'delete-destination':
      encodeIdentityNest(writer, command.service)
      encodeDestinationName(writer, command.destination)
      return
    case 'add-service':
    case 'edit-service':
      encodeService(writer, command.service)
      return
    case 'delete-service':
      encodeIdentityNest(writer, command.service)
      return
    case 'zero':
      if (command.service) encodeIdentityNest(writer, command.service)
      return
    case 'set-timeouts':
      encodeTimeouts(writer, command.timeouts)
      return
    case 'start-sync-daemon':
      encodeSyncDaemon(writer, command.daemon)
      return
    case 'stop-sync-daemon':
      encodeSyncDaemonRole(writer, command.role)
      return
    case 'flush':
      return
  }
}
