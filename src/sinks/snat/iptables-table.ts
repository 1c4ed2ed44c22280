import { PointsmanError } from '../../errors.ts'
import type { IptablesKernel } from '../../kernel/for-sinks.ts'
import type { AddressFamily } from '../../model/address.ts'
import type { PortRange } from '../../model/source-nat.ts'
import { hashFor, isOfFamily, protocolsOf, type ReadRule, readRule, rulesOf } from './iptables-rules.ts'
import { samePorts } from './port-range.ts'
import { NO_TABLE, type TableImage } from './table-image.ts'
import { type HeldTranslation, type MatchKey, matchKey, type Target, type Translation } from './translation.ts'
import { heldAfter, notOurs, type TableEdit, type TranslationTable } from './translation-table.ts'

const FAMILIES = ['ipv4', 'ipv6'] as const
/** Bytes of the name of a chain that iptables takes (XT_EXTENSION_MAXNAMELEN). */
const LONGEST_NAME = 28

/** What the nat table of one family has of ours. */
interface Chains {
  readonly exists: boolean
  /** How often POSTROUTING leads there. */
  readonly jumps: number
  /** Whether it is led to once, and every rule is as we wrote it. */
  readonly isSound: boolean
}

const NO_CHAINS: Chains = { exists: false, jumps: 0, isSound: true }

/** Translations as rules in a chain of our own in the nat tables of iptables and ip6tables: for systems without nftables. */
export class IptablesTable implements TranslationTable {
  readonly name: string
  readonly #kernel: IptablesKernel
  readonly #chain: string
  readonly #chains: Record<AddressFamily, Chains> = { ipv4: NO_CHAINS, ipv6: NO_CHAINS }
  /** How each rule that we wrote is printed, once seen. */
  readonly #printed: Record<AddressFamily, Map<string, string>> = { ipv4: new Map(), ipv6: new Map() }

  constructor(kernel: IptablesKernel, chain: string) {
    this.#kernel = kernel
    this.#chain = chain.slice(0, LONGEST_NAME)
    this.name = `iptables chain ${this.#chain}`
  }

  async read(ports: PortRange): Promise<TableImage> {
    const held = new Map<MatchKey, HeldTranslation>()
    let state: TableImage['state'] = 'sound'
    for (const family of FAMILIES) {
      const { exists, jumps, rules } = await this.#found(family)
      const isLedTo = !exists || jumps === 1
      const areRight = this.#take(rules, held, ports, this.#printed[family])
      this.#chains[family] = { exists, jumps, isSound: isLedTo && areRight }
      if (!isLedTo) state = 'damaged'
      else if (!areRight && state === 'sound') state = 'rules'
    }
    if (FAMILIES.every((family) => !this.#chains[family].exists)) return NO_TABLE
    return { state, held, ranges: new Set<Target>(), ports }
  }

  async write(image: TableImage, edit: TableEdit): Promise<TableImage> {
    const held = heldAfter(image, edit)
    const otherPorts = !samePorts(image.ports, edit.ports)
    const written: AddressFamily[] = []
    for (const family of FAMILIES) {
      const { exists, isSound } = this.#chains[family]
      const mine = [...held.values()].filter((translation) => isOfFamily(translation, family))
      // Of the other family's damage this one knows nothing: its rules stay, and go on counting.
      const whole = otherPorts || !exists || !isSound
      const lines = whole ? this.#everything(family, mine, edit.ports) : this.#changes(family, image, edit)
      if (lines.length === 0) continue
      await this.#restore(family, lines, written)
      written.push(family)
      if (!whole) continue
      this.#chains[family] = { exists: true, jumps: 1, isSound: true }
      this.#printed[family].clear()
    }
    return { state: 'sound', held, ranges: new Set(), ports: edit.ports }
  }

  async remove(): Promise<void> {
    for (const family of FAMILIES) {
      const { exists, jumps } = await this.#found(family)
      const lines = [...this.#jumpsAway(jumps), ...(exists ? [`-F ${this.#chain}`, `-X ${this.#chain}`] : [])]
      if (lines.length > 0) await this.#kernel.restoreNat(family, lines)
      this.#chains[family] = NO_CHAINS
    }
  }

  onChange(listener: (certainty: 'changed' | 'perhaps') => void): () => void {
    return this.#kernel.onChange(() => listener('perhaps'))
  }

  /** What was written of the same edit before a refusal is believed by nobody, and is written anew with the next edit. */
  async #restore(family: AddressFamily, lines: readonly string[], before: readonly AddressFamily[]): Promise<void> {
    try {
      await this.#kernel.restoreNat(family, lines)
    } catch (error) {
      for (const each of before) this.#chains[each] = { ...this.#chains[each], isSound: false }
      throw error
    }
  }

  /** A kernel without IPv6, or a system without ip6tables, has nothing of it. Where something of ours was there, or nobody can see whether it is, a refusal says nothing of the kind. */
  async #save(family: AddressFamily): Promise<readonly string[]> {
    try {
      return await this.#kernel.saveNat(family)
    } catch (error) {
      if (family === 'ipv6' && !this.#chains.ipv6.exists && isWithout(error)) return []
      throw error
    }
  }

  /** Rejects where the chain is somebody else's, who has given it the same name. */
  async #found(family: AddressFamily): Promise<Omit<Chains, 'isSound'> & { readonly rules: readonly (ReadRule | 'strange')[] }> {
    const lines = await this.#save(family)
    const exists = lines.some((line) => line.startsWith(`:${this.#chain} `))
    const jumps = lines.filter((line) => line.endsWith(`] ${this.#jump('-A')}`)).length
    const rules = lines.map((line) => readRule(line, this.#chain)).filter((rule) => rule !== undefined)
    if (jumps > 0 || rules.length === 0 || rules.some((rule) => rule !== 'strange')) return { exists, jumps, rules }
    throw notOurs(`${this.name} (${family === 'ipv4' ? 'iptables' : 'ip6tables'} -t nat)`)
  }

  /** It looks at the state of connections, so that they are tracked, and those that live translated, also while no rule of ours is left that needs it. */
  #jump(verb: string): string {
    return `${verb} POSTROUTING -m conntrack ! --ctstate INVALID -m comment --comment pointsman -j ${this.#chain}`
  }

  #jumpsAway(jumps: number): string[] {
    return Array.from({ length: jumps }, () => this.#jump('-D'))
  }

  /** Whether the rules are as we wrote them, once each. */
  #take(
    rules: readonly (ReadRule | 'strange')[],
    held: Map<MatchKey, HeldTranslation>,
    ports: PortRange,
    knownPrints: Map<string, string>,
  ): boolean {
    const seen = new Map<MatchKey, number>()
    let right = true
    for (const rule of rules) {
      if (rule === 'strange') {
        right = false
        continue
      }
      const { match, target, protocol, hash, printed } = rule
      const key = matchKey(match)
      const before = held.get(key)
      seen.set(key, (seen.get(key) ?? 0) + 1)
      if (hash !== hashFor(rule, protocol, ports) || (before !== undefined && before.target !== target)) right = false
      const known = knownPrints.get(`${key} ${target} ${protocol} ${hash}`)
      if (known === undefined) knownPrints.set(`${key} ${target} ${protocol} ${hash}`, printed)
      else if (known !== printed) right = false
      held.set(key, { match, target, connections: rule.connections + (before?.connections ?? 0n) })
    }
    for (const [key, count] of seen) if (count !== protocolsOf((held.get(key) as HeldTranslation).match).length) right = false
    return right
  }

  #everything(family: AddressFamily, translations: readonly Translation[], ports: PortRange): string[] {
    const { exists, jumps } = this.#chains[family]
    if (!exists && translations.length === 0) return []
    const rules = translations.flatMap((translation) => this.#additions(translation, ports))
    // Naming a chain empties it. First place: container engines translate what leaves the machine in a rule of theirs.
    return [`:${this.#chain} - [0:0]`, ...this.#jumpsAway(jumps), this.#jump('-I'), ...rules]
  }

  #changes(family: AddressFamily, image: TableImage, edit: TableEdit): string[] {
    const put = [...new Map(edit.put.map((translation) => [matchKey(translation.match), translation])).entries()]
    const gone = new Set([...edit.drop, ...put.map(([key]) => key)])
    const away = [...gone].map((key) => image.held.get(key)).filter((held) => held !== undefined && isOfFamily(held, family))
    return [
      ...away.flatMap((held) => rulesOf(held as Translation, edit.ports).map((rule) => `-D ${this.#chain} ${rule}`)),
      ...put
        .filter(([, translation]) => isOfFamily(translation, family))
        .flatMap(([, translation]) => this.#additions(translation, edit.ports)),
    ]
  }

  /** Rules for one port come first. */
  #additions(translation: Translation, ports: PortRange): string[] {
    const verb = translation.match.port === 0 ? '-A' : '-I'
    return rulesOf(translation, ports).map((rule) => `${verb} ${this.#chain} ${rule}`)
  }
}

function isWithout(error: unknown): boolean {
  if (!(error instanceof PointsmanError)) return false
  return error.code === 'NFT_MISSING' || (error.code === 'KERNEL_REFUSED' && error.detail['unreadable'] !== true)
}
