import { expect } from 'vitest'
import type { Configuration } from '../../../src/config/configuration.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import type { Document } from '../../../src/document/document.ts'
import { formatIssue } from '../../../src/document/issue.ts'
import { parseDocument } from '../../../src/document/parse.ts'
import { formatLeftOut, type Imported, literally } from '../../../src/migrate/imported.ts'
import { importKeepalived } from '../../../src/migrate/keepalived.ts'
import { renderImported } from '../../../src/migrate/render.ts'
import { settle } from '../../../src/migrate/settle.ts'

/** What an import comes to: text that the real validation takes, the configuration that it stands for, and what is left out. */
export interface Outcome {
  readonly text: string
  readonly configuration: Configuration
  readonly leftOut: readonly string[]
}

/** The whole way of an import; fails the test where the validation refuses what comes out. */
export async function outcome(imported: Imported): Promise<Outcome> {
  const settled = await settle(literally(imported), async (configuration) => {
    const judged = loadConfiguration({ path: '-', bytes: Buffer.from(JSON.stringify(configuration)) })
    return judged.ok ? [] : judged.issues
  })
  const text = renderImported(settled)
  const result = loadConfiguration({ path: 'imported.yaml', bytes: Buffer.from(text) })
  if (!result.ok) throw new Error(`${result.issues.map(formatIssue).join('\n')}\n${text}`)
  return { text, configuration: result.configuration, leftOut: settled.leftOut.map(formatLeftOut) }
}

/** Files by their whole paths; `*` in a pattern is any text within a name. */
export function filesOf(texts: Readonly<Record<string, string>>) {
  return {
    read: async (path: string) => {
      const text = texts[path]
      if (text !== undefined) return { ok: true, bytes: Buffer.from(text) } as const
      return { ok: false, issue: { file: path, path: '', problem: 'there is no such file', remedy: 'create it' } } as const
    },
    matching: async (pattern: string) => {
      const form = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`)
      return Object.keys(texts)
        .filter((path) => form.test(path))
        .toSorted()
    },
  }
}

export const CONF = '/etc/keepalived/keepalived.conf'

export async function keepalived(
  text: string,
  more: { readonly configId?: string; readonly files?: Record<string, string> } = {},
) {
  const files = filesOf({ [CONF]: text, ...more.files })
  return outcome(await importKeepalived(CONF, { files, configId: more.configId }))
}

/** One virtual server on 10.0.0.1:80 with this block; of TCP where it names no protocol. */
export function virtualServer(block: string): Promise<Outcome> {
  const protocol = /\bprotocol /.test(block) ? '' : ' protocol TCP'
  return keepalived(`virtual_server 10.0.0.1 80 {${protocol}\n${block}\n}\n`)
}

export function parsed(text: string, path = 'input.yaml'): Document {
  const result = parseDocument(text, { path })
  expect(result.ok ? [] : result.issues.map(formatIssue)).toEqual([])
  if (!result.ok) throw new Error('the input of the test is not valid')
  return result.document
}
