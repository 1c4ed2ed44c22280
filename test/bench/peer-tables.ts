/** The tables in the languages of the programs that Pointsman is compared with. */

import { BACKEND_PORT, backendAddress, numbers, SERVICE_PORT, type Shape, serviceAddress, WEIGHT } from './shape.ts'

/** What `ipvsadm --restore` reads. */
export function restoreText(shape: Shape): string {
  const lines: string[] = []
  for (const service of numbers(shape.services)) {
    lines.push(`-A -t ${serviceAddress(service)}:${SERVICE_PORT} -s ${shape.scheduler}`)
    for (const backend of numbers(shape.backends)) lines.push(`-a ${member(shape, service, backend)} -w ${WEIGHT}`)
  }
  return `${lines.join('\n')}\n`
}

/** The arguments of ipvsadm that give the first backend another weight. */
export function weightArguments(shape: Shape, weight: number): readonly string[] {
  return ['-e', ...member(shape, 0, 0).split(' '), '-w', String(weight)]
}

function member(shape: Shape, service: number, backend: number): string {
  const address = `${backendAddress(shape, service, backend)}:${BACKEND_PORT}`
  return `-t ${serviceAddress(service)}:${SERVICE_PORT} -r ${address} -m`
}

/** Another weight for one backend. */
export interface Reweighted {
  readonly service: number
  readonly backend: number
  readonly weight: number
}

/** A keepalived.conf that needs neither VRRP nor checkers: its backends are in the kernel from the start. */
export function keepalivedText(shape: Shape, changed?: Reweighted): string {
  const lines: string[] = ['global_defs {', '  router_id bench', '}']
  for (const service of numbers(shape.services)) {
    lines.push(`virtual_server ${serviceAddress(service)} ${SERVICE_PORT} {`)
    lines.push(`  lvs_sched ${shape.scheduler}`, '  lvs_method NAT', '  protocol TCP')
    for (const backend of numbers(shape.backends)) {
      const isChanged = changed?.service === service && changed.backend === backend
      const weight = isChanged ? changed.weight : WEIGHT
      lines.push(`  real_server ${backendAddress(shape, service, backend)} ${BACKEND_PORT} {`, `    weight ${weight}`, '  }')
    }
    lines.push('}')
  }
  return `${lines.join('\n')}\n`
}
