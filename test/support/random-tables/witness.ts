import { destinationKey } from '../../../src/model/destination.ts'
import type { IpvsTable } from '../../../src/model/ipvs-table.ts'
import { listedName, parseSave, parseThresholds } from '../ipvsadm.ts'
import { differences } from './drive.ts'
import { linesOf, type TableModel } from './model.ts'

/** Where `ipvsadm -Sn` and `ipvsadm -Ln --thresholds` see something else than the model. */
export function witnessed(model: TableModel, save: string, thresholds: string): string[] {
  const wanted = model.table()
  return [
    ...differences(linesOf(asIpvsadmShows(wanted)), linesOf(parseSave(save))),
    ...differences(thresholdLines(wanted), linesOfMap(parseThresholds(thresholds))),
  ]
}

/** What ipvsadm leaves out is taken away: thresholds, and the third flag of sh and mh. */
function asIpvsadmShows(table: IpvsTable): IpvsTable {
  return new Map(
    [...table].map(([key, { service, destinations }]) => {
      const named = service.scheduler === 'sh' || service.scheduler === 'mh'
      const shown = { ...service, flags: { ...service.flags, flag3: service.flags.flag3 && !named } }
      const bare = [...destinations].map(([name, reading]) => {
        const destination = { ...reading.destination, upperThreshold: 0, lowerThreshold: 0 }
        return [name, { ...reading, destination }] as const
      })
      return [key, { service: shown, destinations: new Map(bare) }]
    }),
  )
}

function thresholdLines(table: IpvsTable): string[] {
  return [...table.values()].flatMap(({ service, destinations }) =>
    [...destinations.values()].map(({ destination }) => {
      const { upperThreshold, lowerThreshold } = destination
      return `${listedName(service.identity)} ${destinationKey(destination)} ${upperThreshold}/${lowerThreshold}`
    }),
  )
}

function linesOfMap(map: ReadonlyMap<string, string>): string[] {
  return [...map].map(([name, value]) => `${name} ${value}`)
}
