import { isBefore } from '../kernel-release.ts'
import { moduleAtBoot, moduleCure, RIGHTS_OF_UNIT } from './cures.ts'
import { type Cure, type DoctorFacts, type Finding, fail, type ModuleState, type NeededModule, ok, warn } from './facts.ts'

/** The platform, IPVS itself, what the configuration needs of it, and the rights to use it. */
export function diagnoseKernel(facts: DoctorFacts): Finding[] {
  if (facts.platform !== 'linux') {
    return [fail('platform', `this is ${facts.platform}`, 'run Pointsman on Linux: IPVS is a part of its kernel')]
  }
  const first = ipvs(facts)
  const needed = [
    ...modules(facts, 'scheduler', facts.schedulers),
    ...modules(facts, 'persistence engine', facts.engines),
    ...tunnelKinds(facts),
  ]
  // Without IPVS nothing can be said about its modules: one failure is enough.
  const sayable = first.verdict === 'fail' ? needed.filter(({ verdict }) => verdict !== 'warn') : needed
  return [first, ...connectionTable(facts), ...sayable, ...otherModules(facts), rights(facts)]
}

function ipvs(facts: DoctorFacts): Finding {
  const { ipvsModule, ipvs: answer, kernelRelease, capabilities } = facts
  if (answer !== undefined) {
    if ('version' in answer) return ok('ip_vs', `IPVS ${answer.version} answers (Linux ${kernelRelease})`)
    return fail('ip_vs', answer.problem)
  }
  switch (ipvsModule) {
    case 'loaded':
      return ok('ip_vs', `loaded (Linux ${kernelRelease})`)
    case 'loadable':
      if (facts.modulesLocked) return locked('ip_vs', 'ip_vs')
      if (capabilities.has('CAP_SYS_MODULE')) return ok('ip_vs', `not loaded yet; the start loads it (Linux ${kernelRelease})`)
      return warn('ip_vs', 'not loaded yet; the kernel loads it by itself at the start, if it may', moduleCure('ip_vs'))
    case 'missing':
      return fail('ip_vs', `the kernel ${kernelRelease} has no module ip_vs`, missingCure('ip_vs', facts))
    case 'unknown':
      return warn('ip_vs', `whether the kernel ${kernelRelease} has it cannot be seen from here`, onTheHost('ip_vs'))
  }
}

function modules(
  facts: DoctorFacts,
  what: 'scheduler' | 'persistence engine',
  states: ReadonlyMap<string, ModuleState>,
): Finding[] {
  return [...states].map(([name, state]) => moduleLine(facts, what, name, state))
}

function moduleLine(facts: DoctorFacts, what: 'scheduler' | 'persistence engine', name: string, state: ModuleState): Finding {
  const module = what === 'scheduler' ? `ip_vs_${name}` : `ip_vs_pe_${name}`
  switch (state) {
    case 'loaded':
      return ok(what, `${name} is loaded`)
    case 'loadable':
      return facts.modulesLocked ? locked(what, module) : ok(what, `${name} is loaded when it is needed`)
    case 'missing': {
      const { cure, ...command } = missingCure(module, facts)
      return fail(what, `the kernel has no ${module}`, { cure: `choose another ${what}, or ${cure}`, ...command })
    }
    case 'unknown':
      return warn(what, `whether the kernel has ${module} cannot be seen from here`, onTheHost(module))
  }
}

/** What goes wrong without them. */
const NEEDED: { readonly [Module in NeededModule]: { readonly verdict: 'warn' | 'fail'; readonly without: string } } = {
  nf_conntrack: { verdict: 'fail', without: 'source NAT (full_nat) sees no connection' },
  nft_chain_nat: { verdict: 'fail', without: 'nftables makes no source NAT (full_nat)' },
  dummy: { verdict: 'warn', without: 'virtual addresses outside the networks of this host go to lo' },
}

function otherModules(facts: DoctorFacts): Finding[] {
  return [...(facts.modules ?? [])].map(([module, state]) => {
    const { verdict, without } = NEEDED[module]
    if (state === 'loaded') return ok('module', `${module} is loaded`)
    if (state === 'unknown') return ok('module', `${module} cannot be seen from here; the kernel loads it when it is needed`)
    if (state === 'loadable') {
      return facts.modulesLocked ? locked('module', module) : ok('module', `${module} is loaded when it is needed`)
    }
    const message = `the kernel has no ${module}: without it ${without}`
    const cure = missingCure(module, facts)
    return verdict === 'fail' ? fail('module', message, cure) : warn('module', message, cure)
  })
}

function locked(check: string, module: string): Finding {
  const message = `${module} is not loaded, and this kernel loads no module any more (kernel.modules_disabled is 1)`
  return fail(check, message, { cure: 'boot again, with the module named in /etc/modules-load.d', keep: moduleAtBoot(module) })
}

/** Files of modules that lie in the tree of another kernel count for nothing: an update that was not booted yet is the usual reason. */
function missingCure(module: string, { kernelRelease, installer }: DoctorFacts): Cure & { readonly cure: string } {
  const cure = `boot a kernel that has ${module} (Debian: linux-image-amd64); after an update of the kernel, boot that one`
  // There the kernel comes without most of its modules; elsewhere the one that runs has all that it will have.
  if (installer === 'dnf install -y') return { cure, run: `${installer} kernel-modules-${kernelRelease}` }
  return { cure }
}

function onTheHost(module: string): Cure {
  return { cure: 'on the host, not in this container', ...moduleCure(module) }
}

/** Of Linux: `ip_vs.h` before them has no such attribute, and the kernel makes ipip of what it does not know. */
const TUNNEL_SINCE = { ipip: [2, 6], gue: [5, 2], gre: [5, 3] } as const

function tunnelKinds({ kernelRelease, tunnels = [] }: DoctorFacts): Finding[] {
  return [...new Set(tunnels.map(({ tunnel }) => tunnel.type))].map((type) => {
    const [major, minor] = TUNNEL_SINCE[type]
    if (!isBefore(kernelRelease, major, minor)) return ok('tunnel', `this kernel makes ${type} by itself, without a module`)
    const problem = `Linux ${kernelRelease} knows no ${type} tunnels in IPVS and sends ipip instead`
    return fail('tunnel', problem, `boot Linux ${major}.${minor} or later, or write forwarding: tunnel, which is ipip`)
  })
}

/** Connections to a bucket of the hash table from which looking one up takes long. */
const CROWDED = 8
/** The kernel takes no more bits (CONFIG_IP_VS_TAB_BITS). */
const MOST_BITS = 20

function connectionTable({ ipvs: answer }: DoctorFacts): Finding[] {
  if (answer === undefined || 'problem' in answer || answer.tableSize === 0) return []
  const { tableSize, connections } = answer
  const use = `${connections} connections in a table of ${tableSize} buckets (conn_tab_bits)`
  if (connections <= tableSize * CROWDED) return [ok('connection table', use)]
  const bits = Math.min(MOST_BITS, Math.ceil(Math.log2(connections)))
  return [
    warn('connection table', `${use}: every packet looks through long chains`, {
      cure: 'it takes effect at the next boot, for ip_vs cannot be loaded anew without cutting every connection',
      keep: `echo options ip_vs conn_tab_bits=${bits} > /etc/modprobe.d/pointsman-ip_vs.conf`,
    }),
  ]
}

function rights({ capabilities, systemd }: DoctorFacts): Finding {
  if (capabilities.has('CAP_NET_ADMIN')) return ok('rights', 'CAP_NET_ADMIN is there')
  return fail('rights', 'CAP_NET_ADMIN is missing, so the table can be neither read nor written', {
    cure: 'run as root, or with AmbientCapabilities=CAP_NET_ADMIN in the systemd unit, or with --cap-add NET_ADMIN in a container',
    ...(systemd && { keep: RIGHTS_OF_UNIT }),
  })
}
