import { renderConfiguration } from '../config/render.ts'
import { type KernelNow, readKernelNow } from '../daemon/one-shot.ts'
import { realHost } from '../daemon/real-host.ts'
import { EXIT } from '../errors.ts'
import { isRoadName } from '../model/probe-road.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { tableJson } from './table-json.ts'
import { print, printJson } from './terminal.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly json?: boolean
}

/** `pointsman get`: what the kernel holds, ours or not, in the form that `apply` and `start` read. */
export async function run(options: Options): Promise<number> {
  const kernel = withoutRoads(await readKernelNow(realHost(), settingsWithoutFile(overridesFrom(options))))
  if (options.json) await printJson(tableJson(kernel))
  else {
    const { table, names, timeouts, syncDaemons } = kernel
    await print(renderConfiguration(table, { names, ipvs: { timeouts, syncDaemons } }))
  }
  return EXIT.ok
}

/** Services for probes alone are no part of what anybody configures. */
function withoutRoads(kernel: KernelNow): KernelNow {
  const shown = [...kernel.table].filter(([key]) => !isRoadName(kernel.names.get(key) ?? ''))
  return { ...kernel, table: new Map(shown) }
}
