/** The examples of the documentation: fenced blocks, and the commands in those that are marked `sh`, which a test runs as they stand. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Block {
  readonly page: string
  /** Of its first line within the fence. */
  readonly line: number
  /** The words behind the fence: `sh`, `text keepalived.conf`; empty where it is not marked. */
  readonly info: string
  readonly text: string
}

/** One command line of a shell; lines that end with a backslash are one. */
export interface Example {
  readonly page: string
  readonly line: number
  readonly command: string
}

const home = new URL('../../', import.meta.url)

export const PAGES: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs', home), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .toSorted(),
]

export function blocksOf(page: string): Block[] {
  const text = readFileSync(new URL(page, home), 'utf8')
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(({ index, 1: info = '', 2: content = '' }) => ({
    page,
    line: text.slice(0, index).split('\n').length + 1,
    info,
    text: content,
  }))
}

/** The content of the one block with these words behind its fence. */
export function blockOf(page: string, info: string, begins = ''): string {
  const [found, ...more] = blocksOf(page).filter((block) => block.info === info && block.text.startsWith(begins))
  if (found === undefined || more.length > 0) throw new Error(`${page} has not one block '${info}' that begins '${begins}'`)
  return found.text
}

export function examplesOf(page: string): Example[] {
  return blocksOf(page)
    .filter(({ info }) => info === 'sh')
    .flatMap(({ line, text }) => {
      const examples: Example[] = []
      let begun = ''
      text
        .trimEnd()
        .split('\n')
        .forEach((words, at) => {
          begun += `${words}\n`
          if (words.endsWith('\\')) return
          examples.push({ page, line: line + at, command: begun.trimEnd() })
          begun = ''
        })
      return examples
    })
}

/** Without the comment behind it. */
export const withoutComment = (command: string): string => command.replace(/\s+# .*$/, '')

export const placeOf = ({ page, line }: Pick<Block, 'page' | 'line'>): string => `${page}:${line}`
