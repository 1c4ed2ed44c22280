import { dirname } from 'node:path'
import type { OwnershipOrigin } from '../../store/ownership.ts'
import { quoted } from './cures.ts'
import { type Cure, type DoctorFacts, type Finding, fail, ok, warn } from './facts.ts'

/** Bytes that the state of a large director needs. */
const ROOM = 16 * 1024 * 1024
/** Bytes that `sun_path` takes (unix(7)), less the terminating zero. */
const LONGEST_SOCKET_PATH = 107

export function diagnoseStateDirectory({ stateDirectory: state, holder }: DoctorFacts): Finding[] {
  return [stateDirectory(state, holder), ...stateFileSystem(state), ...operatorSocket(state)]
}

function stateDirectory(state: DoctorFacts['stateDirectory'], holder: DoctorFacts['holder']): Finding {
  const { path, problem, errno, fileSystem } = state
  if (problem === undefined) return ok('state directory', `${path} is writable`)
  const elsewhere = 'or set global.state_dir to another'
  switch (errno) {
    case 'EROFS':
      if (fileSystem === undefined) break
      return fail('state directory', problem, { cure: elsewhere, run: `mount -o remount,rw ${quoted(fileSystem.mount)}` })
    case 'EACCES':
    case 'EPERM':
      return fail('state directory', problem, cureOfRights(state, holder))
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('state directory', problem, `make room on ${fileSystem?.mount ?? 'its file system'}, ${elsewhere}`)
  }
  if (errno === undefined) return fail('state directory', problem, `move it away, ${elsewhere}`)
  return fail('state directory', problem, `make ${path} writable for the user of Pointsman, ${elsewhere}`)
}

/** Nothing that takes the directory away from whoever has it: a daemon that runs could not write its record any more. */
function cureOfRights(
  { path, errno, user, owner, missing }: DoctorFacts['stateDirectory'],
  holder: DoctorFacts['holder'],
): string | Cure {
  const elsewhere = 'or set global.state_dir to another'
  const asRoot = 'run the doctor as root, or as the user whose daemon it is'
  if (typeof holder === 'object') return `process ${holder.pid} (pointsman ${holder.command}) runs and may have it: ${asRoot}`
  if (holder !== undefined || user === undefined) return `${asRoot}, ${elsewhere}`
  const [directory, parent] = [quoted(path), quoted(dirname(path))]
  // Where it is there by the time that this is run mkdir fails, and nothing is given away.
  if (missing) return { cure: elsewhere, run: `mkdir -p ${parent} && mkdir ${directory} && chown ${user} ${directory}` }
  if (owner === user && errno === 'EACCES') return { cure: elsewhere, run: `chmod u+rwx ${directory}` }
  const whose = owner === undefined ? '' : ` (it belongs to user ${owner})`
  return `${asRoot}${whose}, ${elsewhere}`
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
