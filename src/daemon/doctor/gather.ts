import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import type { Configuration, SnatSettings } from '../../config/configuration.ts'
import { effectiveCapabilities, moduleState, schedulerState } from '../../kernel/for-daemon.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { openOwnership } from '../../store/ownership.ts'
import { conntrackUsage } from '../conntrack-usage.ts'
import type { Host } from '../host.ts'
import { asPointsmanError } from '../passes.ts'
import { openSnatWay } from '../snat-way.ts'
import { whyUnwritable } from '../state-directory.ts'
import { type DoctorFacts, type ModuleState, type Neighbourhood, SYSCTLS } from './facts.ts'
import { gatherFirewall } from './gather-firewall.ts'
import { findOtherWriters } from './other-writers.ts'

/** What is gathered for: a configuration, or why there is none, and the directory that would be used. */
export interface DoctorInput {
  readonly configuration: Configuration | undefined
  readonly configurationProblem?: string
  readonly stateDir: string
  /** Milliseconds. */
  readonly kernelDeadline: number
}

/** Looks and changes nothing; what it tries the state directory with is gone again. */
export async function gatherFacts(host: Host, input: DoctorInput): Promise<DoctorFacts> {
  const services = input.configuration?.services ?? []
  const ipvsModule = moduleState('ip_vs')
  // Asking loads the module, so a module that is merely loadable is not asked for; one that cannot be seen has no other way.
  const ask = ipvsModule === 'loaded' || ipvsModule === 'unknown'
  const ipvs = ask ? await askIpvs(host, input.kernelDeadline) : undefined
  const engines = services.flatMap(({ persistence }) =>
    persistence === undefined || persistence === 'none' || persistence.engine === undefined ? [] : [persistence.engine],
  )
  const firewall = await gatherFirewall(host, services, input.kernelDeadline)
  const directoryProblem = await whyUnwritable(input.stateDir)
  return {
    configuration: input.configuration,
    ...(input.configurationProblem !== undefined && { configurationProblem: input.configurationProblem }),
    platform: process.platform,
    kernelRelease: release(),
    ipvsModule,
    ...(ipvs !== undefined && { ipvs }),
    schedulers: statesOf(
      services.map(({ scheduler }) => scheduler),
      schedulerState,
    ),
    engines: statesOf(engines, (engine) => moduleState(`ip_vs_pe_${engine}`)),
    capabilities: effectiveCapabilities(),
    sysctls: sysctls(host),
    routesLostToForwarding: host.readSysctl('net.ipv6.conf.all.forwarding') === 0 ? host.routesLostToForwarding() : [],
    ...(await networkFacts(host, services, input.configuration?.snat.by)),
    ...(firewall !== undefined && { firewall }),
    otherWriters: await findOtherWriters(),
    kubeInterface: await hasInterface('kube-ipvs0'),
    holder: await host.whoHoldsTable(),
    stateDirectory: { path: input.stateDir, ...(directoryProblem !== undefined && { problem: directoryProblem }) },
    record: await readRecord(input.stateDir),
  }
}

async function askIpvs(host: Host, deadline: number): Promise<{ version: string } | { problem: string }> {
  try {
    await using kernel = await host.openKernel(deadline)
    return { version: (await kernel.info()).version }
  } catch (error) {
    return { problem: asPointsmanError(error).message }
  }
}

/** What services with source NAT and addresses of their own need to be known. */
async function networkFacts(
  host: Host,
  services: readonly ServiceSpec[],
  by: SnatSettings['by'],
): Promise<Pick<DoctorFacts, 'nftables' | 'conntrack' | 'network' | 'neighbourhood'>> {
  const isTranslated = services.some(({ fullNat }) => fullNat)
  const isPlaced = services.some(({ virtualAddress }) => virtualAddress !== undefined)
  const conntrack = isTranslated ? conntrackUsage(host) : undefined
  return {
    ...(isTranslated && { nftables: await askNftables(host, by) }),
    ...(conntrack !== undefined && { conntrack }),
    ...((isTranslated || isPlaced) && (await askNetwork(host))),
  }
}

async function askNftables(host: Host, wanted: SnatSettings['by']): Promise<DoctorFacts['nftables'] & object> {
  try {
    const { by, kernel } = await openSnatWay(host, wanted)
    await using _ = kernel
    return { by: by === 'iptables' ? 'iptables, because nftables is not here' : kernel.by }
  } catch (error) {
    return { problem: asPointsmanError(error).message }
  }
}

async function askNetwork(host: Host): Promise<Pick<DoctorFacts, 'network' | 'neighbourhood'>> {
  try {
    await using kernel = host.openRoutes()
    const [links, held] = await Promise.all([kernel.readLinks(), kernel.readAddresses()])
    const network = {
      interfaces: new Set(links.map(({ name }) => name)),
      addresses: new Set(held.map(({ address }) => address)),
    }
    return { network, neighbourhood: { links, held, arp: arpOf(host, links) } }
  } catch (error) {
    return { network: { problem: asPointsmanError(error).message } }
  }
}

function arpOf(host: Host, links: Neighbourhood['links']): Neighbourhood['arp'] {
  const inForce = (link: string, key: string) => {
    // A dot in the name of an interface is written as a slash.
    const values = [link.replaceAll('.', '/'), 'all'].map((name) => host.readSysctl(`net.ipv4.conf.${name}.${key}`))
    return values.every((value) => value === undefined) ? undefined : Math.max(...values.map((value) => value ?? 0))
  }
  const known = links.flatMap(({ name, neighbourAddress }) => {
    const [ignore, announce] = [inForce(name, 'arp_ignore'), inForce(name, 'arp_announce')]
    const isKnown = neighbourAddress !== undefined && ignore !== undefined && announce !== undefined
    return isKnown ? [[name, { ignore, announce }] as const] : []
  })
  return new Map(known)
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

/** Every interface of the network namespace, also one that is down (/proc/net/dev). */
async function hasInterface(name: string): Promise<boolean> {
  const devices = await readFile('/proc/net/dev', 'utf8').catch(() => '')
  return devices.split('\n').some((line) => line.trim().startsWith(`${name}:`))
}

async function readRecord(directory: string): Promise<DoctorFacts['record']> {
  try {
    return { origin: (await openOwnership({ directory, access: 'read' })).origin }
  } catch (error) {
    return { problem: asPointsmanError(error).message }
  }
}
