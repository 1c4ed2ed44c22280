import type { BuildInfo } from '../admin/metric-facts.ts'
import { StatusFeed } from '../admin/status-feed.ts'
import type { StatusPage } from '../admin/status-routes.ts'
import type { Settings } from '../config/configuration.ts'
import { Overview, type OverviewParts } from './overview.ts'

export interface StatusPageParts extends Omit<OverviewParts, 'about' | 'startedAt'> {
  readonly settings: Pick<Settings, 'instance' | 'adminAllowedHosts'>
  readonly build: BuildInfo
  readonly shadow: boolean
  /** Told how many follow the page. */
  readonly onClients: (count: number) => void
}

/** What the status page is made from; nothing is done before somebody looks. */
export function statusPageOf({ settings, build, shadow, onClients, ...parts }: StatusPageParts): StatusPage & Disposable {
  const { version, commit } = build
  const overview = new Overview({
    ...parts,
    startedAt: parts.now(),
    about: {
      instance: settings.instance,
      version,
      ...(commit !== undefined && { commit }),
      ...(shadow && { shadow: true as const }),
    },
  })
  const feed = new StatusFeed({ collect: () => overview.collect(), forget: () => overview.forget(), onClients })
  return { feed, version, allowedHosts: settings.adminAllowedHosts, [Symbol.dispose]: () => feed[Symbol.dispose]() }
}
