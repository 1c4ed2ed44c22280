import { type DoctorFacts, type Finding, fail, type ModuleState, ok, warn } from './facts.ts'

/** The platform, IPVS itself, what the configuration needs of it, and the rights to use it. */
export function diagnoseKernel(facts: DoctorFacts): Finding[] {
  if (facts.platform !== 'linux') {
    return [fail('platform', `this is ${facts.platform}`, 'run Pointsman on Linux: IPVS is a part of its kernel')]
  }
  const first = ipvs(facts)
  const needed = [...modules('scheduler', facts.schedulers), ...modules('persistence engine', facts.engines)]
  // Without IPVS nothing can be said about its modules: one failure is enough.
  const sayable = first.verdict === 'fail' ? needed.filter(({ verdict }) => verdict !== 'warn') : needed
  return [first, ...sayable, rights(facts)]
}

function ipvs({ ipvsModule, ipvs: answer, kernelRelease, capabilities }: DoctorFacts): Finding {
  if (answer !== undefined) {
    if ('version' in answer) return ok('ip_vs', `IPVS ${answer.version} answers (Linux ${kernelRelease})`)
    return fail('ip_vs', answer.problem)
  }
  const install = 'boot a kernel that has it (CONFIG_IP_VS), on Debian linux-image-amd64, or load it on the host'
  switch (ipvsModule) {
    case 'loaded':
      return ok('ip_vs', `loaded (Linux ${kernelRelease})`)
    case 'loadable':
      if (capabilities.has('CAP_SYS_MODULE')) return ok('ip_vs', `not loaded yet; the start loads it (Linux ${kernelRelease})`)
      return warn('ip_vs', 'not loaded yet; the kernel loads it by itself at the start', 'to be sure run "modprobe ip_vs"')
    case 'missing':
      return fail('ip_vs', `the kernel ${kernelRelease} has no module ip_vs`, install)
    case 'unknown':
      return warn(
        'ip_vs',
        `whether the kernel ${kernelRelease} has it cannot be seen from here`,
        'run "modprobe ip_vs" on the host',
      )
  }
}

function modules(what: 'scheduler' | 'persistence engine', states: ReadonlyMap<string, ModuleState>): Finding[] {
  return [...states].map(([name, state]) => moduleFinding(what, name, state))
}

function moduleFinding(what: 'scheduler' | 'persistence engine', name: string, state: ModuleState): Finding {
  const module = what === 'scheduler' ? `ip_vs_${name}` : `ip_vs_pe_${name}`
  switch (state) {
    case 'loaded':
      return ok(what, `${name} is loaded`)
    case 'loadable':
      return ok(what, `${name} is loaded when it is needed`)
    case 'missing':
      return fail(what, `the kernel has no ${module}`, `choose another ${what}, or install the module ${module}`)
    case 'unknown':
      return warn(what, `whether the kernel has ${module} cannot be seen from here`, `run "modprobe ${module}" on the host`)
  }
}

function rights({ capabilities }: DoctorFacts): Finding {
  if (capabilities.has('CAP_NET_ADMIN')) return ok('rights', 'CAP_NET_ADMIN is there')
  return fail(
    'rights',
    'CAP_NET_ADMIN is missing, so the table can be neither read nor written',
    'run as root, or with AmbientCapabilities=CAP_NET_ADMIN in the systemd unit, or with --cap-add NET_ADMIN in a container',
  )
}
