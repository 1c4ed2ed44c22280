import { BehaviorSubject, type Observable } from 'rxjs'
import type { DestinationKey } from '../model/destination.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { KernelKnown } from '../pipeline/deciding/kernel-known.ts'
import type { Host } from './host.ts'
import { EXPIRE_QUIESCENT_TEMPLATE } from './sysctl-advice.ts'

/** What the decision must know of the kernel: the weights that it held before we wrote anything, and a sysctl that may change. */
export class KernelWatch {
  readonly #host: Pick<Host, 'readSysctl'>
  readonly #known: BehaviorSubject<KernelKnown>

  /** `table`: as it was found; absent where it could not be read. */
  constructor(host: Pick<Host, 'readSysctl'>, table: IpvsTable | undefined) {
    this.#host = host
    this.#known = new BehaviorSubject<KernelKnown>({
      ...(table !== undefined && { weights: weightsIn(table) }),
      expiresQuiescentTemplates: this.#expires(),
    })
  }

  get known$(): Observable<KernelKnown> {
    return this.#known
  }

  /** Somebody may have set the sysctl otherwise. */
  look(): void {
    const expiresQuiescentTemplates = this.#expires()
    if (expiresQuiescentTemplates !== this.#known.value.expiresQuiescentTemplates)
      this.#known.next({ ...this.#known.value, expiresQuiescentTemplates })
  }

  #expires(): boolean {
    return (this.#host.readSysctl(EXPIRE_QUIESCENT_TEMPLATE) ?? 0) !== 0
  }
}

/** Of every service the weights of its destinations. */
export function weightsIn(table: IpvsTable): NonNullable<KernelKnown['weights']> {
  const weights = new Map<ServiceKey, ReadonlyMap<DestinationKey, number>>()
  for (const [service, { destinations }] of table)
    weights.set(service, new Map([...destinations].map(([key, { destination }]) => [key, destination.weight])))
  return weights
}
