import type { OwnershipOrigin } from '../../store/ownership.ts'
import { quoted } from './cures.ts'
import { type DoctorFacts, type Finding, fail, ok, warn } from './facts.ts'

/** Bytes that the state of a large director needs. */
const ROOM = 16 * 1024 * 1024
/** Bytes that `sun_path` takes (unix(7)), less the terminating zero. */
const LONGEST_SOCKET_PATH = 107

export function diagnoseStateDirectory({ stateDirectory: state }: DoctorFacts): Finding[] {
  return [stateDirectory(state), ...stateFileSystem(state), ...operatorSocket(state)]
}

function stateDirectory({ path, problem, errno, user, fileSystem }: DoctorFacts['stateDirectory']): Finding {
  if (problem === undefined) return ok('state directory', `${path} is writable`)
  const elsewhere = 'or set global.state_dir to another'
  switch (errno) {
    case 'EROFS':
      if (fileSystem === undefined) break
      return fail('state directory', problem, { cure: elsewhere, run: `mount -o remount,rw ${quoted(fileSystem.mount)}` })
    case 'EACCES':
    case 'EPERM':
      if (user === undefined) break
      return fail('state directory', problem, {
        cure: elsewhere,
        run: `mkdir -p ${quoted(path)} && chown -R ${user} ${quoted(path)}`,
      })
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('state directory', problem, `make room on ${fileSystem?.mount ?? 'its file system'}, ${elsewhere}`)
  }
  return fail('state directory', problem, `make ${path} writable for the user of Pointsman, ${elsewhere}`)
}

function stateFileSystem({ path, problem, fileSystem }: DoctorFacts['stateDirectory']): Finding[] {
  if (fileSystem === undefined || problem !== undefined) return []
  const { kind, mount, freeBytes } = fileSystem
  const check = 'state file system'
  const elsewhere = 'set global.state_dir to a directory on a disk of this host'
  if (kind === 'memory') {
    const lost = "the last good answers of sources and the operator's word are gone after a boot"
    return [warn(check, `${path} is in memory (${mount}): ${lost}`, elsewhere)]
  }
  if (kind === 'network') {
    return [warn(check, `${path} is on another host (${mount}): when that does not answer, nothing is programmed`, elsewhere)]
  }
  if (freeBytes < ROOM) {
    return [warn(check, `${mount} has ${Math.floor(freeBytes / 1024)} KiB left`, `make room on ${mount}, or ${elsewhere}`)]
  }
  return [ok(check, `${mount} has room`)]
}

function operatorSocket({ path, socketPath }: DoctorFacts['stateDirectory']): Finding[] {
  if (socketPath === undefined) return []
  if (socketPath <= LONGEST_SOCKET_PATH) return [ok('operator socket', `its path in ${path} is short enough`)]
  const problem = `its path in ${path} has ${socketPath} bytes, and ${LONGEST_SOCKET_PATH} is the most: status, drain and the like reach no daemon`
  return [fail('operator socket', problem, 'set global.state_dir to a shorter path')]
}

export function diagnoseRecord({ record: known }: DoctorFacts): Finding[] {
  if ('problem' in known) return [fail('ownership record', known.problem)]
  return [recordLine(known.origin)]
}

function recordLine(origin: OwnershipOrigin): Finding {
  switch (origin.kind) {
    case 'none':
      return ok('ownership record', 'none yet')
    case 'loaded':
      return ok('ownership record', 'it is of this boot and this network namespace')
    case 'other-boot':
      return ok('ownership record', 'it is of an earlier boot and does not count: the table of that boot is gone')
    case 'other-namespace':
      return warn(
        'ownership record',
        'it is of another network namespace and does not count here',
        'start or run "pointsman once" in this namespace: it makes a record of its own and leaves that one alone',
      )
    case 'corrupt':
      return warn(
        'ownership record',
        `it cannot be read (${origin.reason}) and would be set aside`,
        'start adopts what the configuration names; look into the table for what is left with "pointsman plan"',
      )
  }
}
