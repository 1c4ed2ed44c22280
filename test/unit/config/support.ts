import type { Configuration, Overrides } from '../../../src/config/configuration.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { formatIssue } from '../../../src/document/issue.ts'

/** What is wrong with a text, in the words that users read; empty where nothing is. */
export function complaints(text: string, overrides: Overrides = {}, path = 'pointsman.yaml'): string[] {
  const result = loadConfiguration({ path, bytes: Buffer.from(text) }, overrides)
  return result.ok ? [] : result.issues.map(formatIssue)
}

/** The configuration that a text stands for; fails the test where there is none. */
export function loaded(text: string, overrides: Overrides = {}, path = 'pointsman.yaml'): Configuration {
  const result = loadConfiguration({ path, bytes: Buffer.from(text) }, overrides)
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
  return result.configuration
}

/** The warnings of a text that loads. */
export function warnings(text: string, overrides: Overrides = {}): string[] {
  const result = loadConfiguration({ path: 'pointsman.yaml', bytes: Buffer.from(text) }, overrides)
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'))
  return result.warnings.map(formatIssue)
}

/** One service named web with these keys, on 10.0.0.1:80 and without backends unless they say otherwise. */
export function oneService(keys: string, top = ''): string {
  const listen = /\b(listen|fwmark):/.test(keys) ? '' : '    listen: 10.0.0.1:80\n'
  const backends = /\b(backends|sources?):/.test(keys) ? '' : '    backends: []\n'
  const lines = keys
    .split('\n')
    .map((line) => `    ${line}\n`)
    .join('')
  return `${top}services:\n  - name: web\n${listen}${lines}${backends}`
}
