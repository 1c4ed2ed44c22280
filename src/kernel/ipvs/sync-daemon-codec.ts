import { familyOf, type IpAddress } from '../../model/address.ts'
import type { SyncDaemon } from '../../model/ipvs-table.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import { ATTR, DAEMON, DAEMON_STATE } from './constants.ts'

/** IPVS_CMD_ATTR_DAEMON with everything that the model gives; the kernel fills in the rest. */
export function encodeSyncDaemon(writer: MessageWriter, daemon: SyncDaemon): void {
  const nest = writer.beginNest(ATTR.daemon)
  writer.uint32(DAEMON.state, DAEMON_STATE[daemon.role])
  writer.text(DAEMON.interface, daemon.interface)
  writer.uint32(DAEMON.id, daemon.id)
  if (daemon.maximumLength) writer.uint16(DAEMON.maximumLength, daemon.maximumLength)
  if (daemon.group !== undefined) encodeGroup(writer, daemon.group as IpAddress)
  if (daemon.port) writer.uint16(DAEMON.port, daemon.port)
  if (daemon.ttl) writer.uint8(DAEMON.ttl, daemon.ttl)
  writer.endNest(nest)
}

/** IPVS_CMD_ATTR_DAEMON with the role alone, to stop it. */
export function encodeSyncDaemonRole(writer: MessageWriter, role: SyncDaemon['role']): void {
  const nest = writer.beginNest(ATTR.daemon)
  writer.uint32(DAEMON.state, DAEMON_STATE[role])
  writer.endNest(nest)
}

function encodeGroup(writer: MessageWriter, group: IpAddress): void {
  const family = familyOf(group)
  writer.address(family === 'ipv4' ? DAEMON.group : DAEMON.group6, group, family)
}

/** Reads the attributes between `from` and `to` of a daemon nest. */
export function decodeSyncDaemon(bytes: Uint8Array, from: number, to: number): SyncDaemon {
  const attributes = new AttributeCursor(bytes)
  attributes.over(from, to)
  const raw: { -readonly [K in keyof SyncDaemon]?: SyncDaemon[K] } = {}
  while (attributes.next()) readSyncDaemonAttribute(attributes, raw)
  const { role, interface: link, id, ...rest } = raw
  if (role === undefined || link === undefined || id === undefined) {
    throw protocolError('a sync daemon lacks its role, interface or id')
  }
  return Object.freeze({ role, interface: link, id, ...rest })
}

function readSyncDaemonAttribute(attributes: AttributeCursor, raw: { -readonly [K in keyof SyncDaemon]?: SyncDaemon[K] }): void {
  switch (attributes.type) {
    case DAEMON.state:
      raw.role = roleOf(attributes.uint32())
      break
    case DAEMON.interface:
      raw.interface = attributes.text()
      break
    case DAEMON.id:
      raw.id = attributes.uint32()
      break
    case DAEMON.maximumLength:
      raw.maximumLength = attributes.uint16()
      break
    case DAEMON.group:
      raw.group = attributes.address(4)
      break
    case DAEMON.group6:
      raw.group = attributes.address(16)
      break
    case DAEMON.port:
      raw.port = attributes.uint16()
      break
    case DAEMON.ttl:
      raw.ttl = attributes.uint8()
      break
  }
}

function roleOf(state: number): SyncDaemon['role'] {
  if (state === DAEMON_STATE.master) return 'master'
  if (state === DAEMON_STATE.backup) return 'backup'
  throw protocolError(`a sync daemon has the unknown state ${state}`)
}
