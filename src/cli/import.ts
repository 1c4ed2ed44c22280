import { glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { loadFrom } from '../config/load-from.ts'
import { readKernelNow } from '../daemon/one-shot.ts'
import { realReach } from '../daemon/reach.ts'
import { realHost } from '../daemon/real-host.ts'
import type { Document } from '../document/document.ts'
import { issuesError } from '../document/issue.ts'
import { parseDocument } from '../document/parse.ts'
import { type ReadResult, readDocument } from '../document/read.ts'
import { isMapping } from '../document/reading.ts'
import { decodeText } from '../document/text.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { importEzlb } from '../migrate/ezlb.ts'
import { formatLeftOut, type Imported, literally, type Written } from '../migrate/imported.ts'
import { importIpvsadm } from '../migrate/ipvsadm.ts'
import { importIpvsctl, type ParameterDocuments } from '../migrate/ipvsctl.ts'
import { importKeepalived } from '../migrate/keepalived.ts'
import { importKglb } from '../migrate/kglb.ts'
import { importLiveTable } from '../migrate/live-table.ts'
import { renderImported } from '../migrate/render.ts'
import { settle } from '../migrate/settle.ts'
import { isRoadName } from '../model/probe-road.ts'
import { readBytes } from './read-configuration.ts'
import { overridesFrom } from './setting-flags.ts'
import { settingsWithoutFile } from './settings-without-file.ts'
import { print, printJson, say } from './terminal.ts'
import { createWhole, replaceWhole } from './whole-file.ts'

interface Options extends Readonly<Record<string, unknown>> {
  readonly output?: string
  readonly force?: boolean
  readonly configId?: string
  readonly paramsFile?: readonly string[]
  readonly paramsUrl?: readonly string[]
  readonly json?: boolean
}

/** `pointsman import TOOL [FILE]`: a configuration of what another tool has, and a list of what it could not become. */
export async function run(options: Options, tool: string, file?: string): Promise<number> {
  const imported = await settle(await read(tool, file, options), judge)
  const text = renderImported(imported)
  await assertValid(text)
  const { leftOut } = imported
  if (options.output !== undefined) await write(options.output, text, options.force === true)
  if (options.json) await printJson({ configuration: text, left_out: leftOut })
  else if (options.output === undefined) await print(text)
  for (const each of leftOut) say(formatLeftOut(each))
  if (leftOut.length === 0) return EXIT.ok
  const count = leftOut.length === 1 ? '1 directive was' : `${leftOut.length} directives were`
  say(`pointsman: ${count} not carried over, see above (exit ${EXIT.leftOut}).`)
  return EXIT.leftOut
}

async function read(tool: string, file: string | undefined, options: Options): Promise<Imported> {
  if (tool === 'ipvsadm') {
    if (file === undefined) return literally(importLiveTable(await liveTable(options)))
    return literally(importIpvsadm(file, textOf(file, await readBytes(file))))
  }
  if (file === undefined)
    throw new PointsmanError('BAD_INPUT', `No file is named: write \`pointsman import ${tool} FILE\`, or - for standard input.`)
  switch (tool) {
    case 'keepalived':
      return literally(await importKeepalived(file, { files: { read: readFileOrInput, matching }, configId: options.configId }))
    case 'ezlb':
      return literally(importEzlb(await documentOf(file, tool, 'services')))
    case 'ipvsctl':
      return importIpvsctl(await documentOf(file, tool, 'services'), parametersOf(options))
    default:
      return literally(importKglb(await documentOf(file, tool, 'balancers')))
  }
}

/** Services for probes alone are no part of what anybody configures. */
async function liveTable(options: Options) {
  const kernel = await readKernelNow(realHost(), settingsWithoutFile(overridesFrom(options)))
  const table = new Map([...kernel.table].filter(([key]) => !isRoadName(kernel.names.get(key) ?? '')))
  return { ...kernel, table }
}

async function readFileOrInput(path: string): Promise<ReadResult> {
  return path === '-' ? { ok: true, bytes: await readBytes(path) } : readDocument(path)
}

/** Directories that a pattern hits are passed over; what cannot be looked at, such as a link that leads nowhere, is for the reading to refuse. */
async function matching(pattern: string): Promise<readonly string[]> {
  const files: string[] = []
  for await (const path of glob(pattern)) if (!(await isDirectory(path))) files.push(path)
  return files.toSorted()
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
}

function textOf(path: string, bytes: Uint8Array): string {
  const decoded = decodeText(path, bytes)
  if (!decoded.ok) throw issuesError('CONFIG_INVALID', [decoded.issue])
  return decoded.text
}

/** The file with the key that every file of the tool has. */
async function documentOf(path: string, tool: string, key: string): Promise<Document> {
  const parsed = parseDocument(await readBytes(path), { path })
  if (!parsed.ok) throw issuesError('CONFIG_INVALID', parsed.issues)
  const { document } = parsed
  const { value } = document
  if (isMapping(value) && Array.isArray(value[key])) return document
  const issue = { file: path, line: 1, path: '', problem: `this is no file of ${tool}`, remedy: `name one with a list of ${key}` }
  throw issuesError('CONFIG_INVALID', [issue])
}

/** Found from wherever the configuration will be. */
function parametersOf({ paramsFile = [], paramsUrl = [] }: Options): ParameterDocuments {
  return { files: paramsFile.map((path) => resolve(path)), urls: paramsUrl }
}

async function judge(configuration: Written) {
  const result = await load(JSON.stringify(configuration))
  return result.ok ? [] : result.issues
}

/** What is written must be what was judged. */
async function assertValid(text: string): Promise<void> {
  const result = await load(text)
  if (result.ok) return
  throw new PointsmanError('INTERNAL', `What was imported is no valid configuration: ${result.issues[0]?.problem ?? ''}.`)
}

/** As `validate` reads it, but for variables that stand for settings: they are none of the file's. */
async function load(text: string) {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('POINTSMAN_')))
  return (await loadFrom({ path: '-', bytes: Buffer.from(text) }, { environment }, realReach())).result
}

/** Not for everybody to read: it may hold passwords of probes. */
const MODE = 0o640

async function write(path: string, text: string, force: boolean): Promise<void> {
  try {
    await (force ? replaceWhole : createWhole)(path, text, MODE)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
    if (code === 'EEXIST')
      throw new PointsmanError('BAD_INPUT', `${path} is there already: write --force to replace it, or name another file.`)
    throw new PointsmanError('OUTPUT_LOST', `${path} cannot be written (${code}): check the directory and its space.`, { cause })
  }
}
