import { release } from 'node:os'
import type { Configuration } from '../../config/configuration.ts'
import { effectiveCapabilities, moduleState, schedulerState, TABLE_SOCKET } from '../../kernel/for-daemon.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import { openOwnership } from '../../store/ownership.ts'
import type { Host } from '../host.ts'
import { asPointsmanError } from '../passes.ts'
import { type DoctorFacts, type ModuleState, SYSCTLS } from './facts.ts'
import { gatherFirewall } from './gather-firewall.ts'
import { adminFacts, clockFacts, descriptorFacts, installer, stateDirectoryFacts, systemdRuns } from './gather-host.ts'
import { gatherNetwork, kubeInterface } from './gather-network.ts'
import { askSources } from './gather-sources.ts'
import { findOtherPrograms, seesEveryProcess } from './other-programs.ts'
import { abstractListener, holderOfSocket } from './processes.ts'

/** What is gathered for: a configuration, or why there is none, and the directory that would be used. */
export interface DoctorInput {
  readonly configuration: Configuration | undefined
  readonly configurationProblem?: string
  readonly configurationPath?: string
  readonly stateDir: string
  /** Milliseconds. */
  readonly kernelDeadline: number
}

/** Looks and changes nothing; what it tries the state directory and the admin address with is gone again. */
export async function gatherFacts(host: Host, input: DoctorInput): Promise<DoctorFacts> {
  const { configuration } = input
  const services = configuration?.services ?? []
  const ipvsModule = moduleState('ip_vs')
  // Asking loads the module, so a module that is merely loadable is not asked for; one that cannot be seen has no other way.
  const ask = ipvsModule === 'loaded' || ipvsModule === 'unknown'
  const ipvs = ask ? await askIpvs(host, input.kernelDeadline) : undefined
  const engines = services.flatMap(({ persistence }) =>
    persistence === undefined || persistence === 'none' || persistence.engine === undefined ? [] : [persistence.engine],
  )
  const { sources, members } = await askSources(configuration ?? { services: [], catalogs: [] })
  const firewall = await gatherFirewall(host, services, members)
  const holder = await host.whoHoldsTable()
  const silentHolder = holder === 'silent' ? await tableSocketHolder() : undefined
  const admin = configuration === undefined ? undefined : await adminFacts(configuration.settings, holder)
  const descriptors = await descriptorFacts(holder)
  const installs = await installer()
  return {
    configuration,
    ...(input.configurationProblem !== undefined && { configurationProblem: input.configurationProblem }),
    ...(input.configurationPath !== undefined && { configurationPath: input.configurationPath }),
    platform: process.platform,
    kernelRelease: release(),
    ipvsModule,
    ...(ipvs !== undefined && { ipvs }),
    modulesLocked: host.readSysctl('kernel.modules_disabled') === 1,
    schedulers: statesOf(
      services.map(({ scheduler }) => scheduler),
      schedulerState,
    ),
    engines: statesOf(engines, (engine) => moduleState(`ip_vs_pe_${engine}`)),
    capabilities: effectiveCapabilities(),
    sysctls: sysctls(host),
    routesLostToForwarding: host.readSysctl('net.ipv6.conf.all.forwarding') === 0 ? host.routesLostToForwarding() : [],
    ...(await gatherNetwork(host, configuration, members)),
    ...(firewall !== undefined && { firewall }),
    sources,
    ...(await findOtherPrograms()),
    seesEveryProcess: await seesEveryProcess(),
    ...(await kubeInterface(host)),
    holder,
    ...(silentHolder !== undefined && { silentHolder }),
    ...(admin !== undefined && { admin }),
    ...(descriptors !== undefined && { descriptors }),
    ...(installs !== undefined && { installer: installs }),
    systemd: systemdRuns(),
    clock: await clockFacts(input.stateDir),
    stateDirectory: await stateDirectoryFacts(input.stateDir),
    record: await readRecord(input.stateDir),
  }
}

async function askIpvs(host: Host, deadline: number): Promise<DoctorFacts['ipvs'] & object> {
  try {
    await using kernel = await host.openKernel(deadline)
    const { version, connectionTableSize: tableSize } = await kernel.info()
    return { version, tableSize, connections: connectionsIn(await kernel.readTable()) }
  } catch (error) {
    return { problem: asPointsmanError(error).message }
  }
}

function connectionsIn(table: IpvsTable): number {
  let sum = 0
  for (const { destinations } of table.values()) {
    for (const { connections } of destinations.values()) sum += connections.active + connections.inactive + connections.persistent
  }
  return sum
}

async function tableSocketHolder(): Promise<DoctorFacts['silentHolder']> {
  const inode = await abstractListener(TABLE_SOCKET)
  return inode === undefined ? undefined : holderOfSocket(inode)
}

function statesOf(names: readonly string[], state: (name: string) => ModuleState): Map<string, ModuleState> {
  return new Map([...new Set(names)].sort().map((name) => [name, state(name)]))
}

function sysctls(host: Host): Map<string, number> {
  const values = new Map<string, number>()
  for (const name of SYSCTLS) {
    const value = host.readSysctl(name)
    if (value !== undefined) values.set(name, value)
  }
  return values
}

async function readRecord(directory: string): Promise<DoctorFacts['record']> {
  try {
    return { origin: (await openOwnership({ directory, access: 'read' })).origin }
  } catch (error) {
    return { problem: asPointsmanError(error).message }
  }
}
