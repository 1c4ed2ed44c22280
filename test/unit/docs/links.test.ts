import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .toSorted(),
]

/** Without what is only shown: code is no link. */
function prose(page: string): string {
  return readFileSync(page, 'utf8')
    .replaceAll(/^```.*?^```/gms, (block) => block.replaceAll(/[^\n]/g, ''))
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '))
}

/** As GitHub makes them of headings: small letters, no punctuation, hyphens for blanks, a number for a repeated one. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.replaceAll(/^```.*?^```/gms, '').matchAll(/^#{1,6} +(.+)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '')
    const anchor = plain
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    let name = anchor
    for (let at = 1; anchors.has(name); at++) name = `${anchor}-${at}`
    anchors.add(name)
  }
  return anchors
}

interface Link {
  readonly place: string
  readonly target: string
}

function linksOf(page: string): Link[] {
  const text = prose(page)
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => ({
    place: `${page}:${text.slice(0, match.index).split('\n').length}`,
    target: match[1] ?? '',
  }))
}

/** Why a link leads nowhere; undefined where it leads somewhere. */
function deadEnd(page: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : normalize(join(dirname(page), path))
  if (!existsSync(file)) return `${file} is not there`
  if (anchor === undefined) return undefined
  if (statSync(file).isDirectory() || !file.endsWith('.md')) return `${file} has no headings`
  return anchorsOf(readFileSync(file, 'utf8')).has(anchor) ? undefined : `${file} has no heading #${anchor}`
}

describe('the documentation', () => {
  it('has no dead link', () => {
    const dead = pages.flatMap((page) =>
      linksOf(page).flatMap(({ place, target }) => {
        const why = deadEnd(page, target)
        return why === undefined ? [] : [`${place}: (${target}): ${why}`]
      }),
    )
    expect(dead).toEqual([])
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(300)
  })

  it('is all in its index, but for runbook and decisions, which are folders of it', () => {
    const listed = new Set(linksOf('docs/README.md').map(({ target }) => normalize(join('docs', target))))
    const folders = ['docs/runbook/', 'docs/decisions/']
    const missing = pages.filter(
      (page) =>
        page.startsWith('docs/') &&
        page !== 'docs/README.md' &&
        !folders.some((each) => page.startsWith(each)) &&
        !listed.has(page),
    )
    expect(missing).toEqual([])
  })
})

describe('a dead link', () => {
  it.each([
    ['nowhere.md', /nowhere\.md is not there/],
    ['README.md#no-such-heading', /no heading #no-such-heading/],
    ['#no-such-heading', /no heading/],
    ['decisions#x', /has no headings/],
  ])('(%s) is found', (target, why) => {
    expect(deadEnd('docs/README.md', target)).toMatch(why)
  })

  it.each(['guide/README.md', 'configuration.md#traffic-log', '../README.md', 'decisions', 'https://example.org/x'])(
    '(%s) is none',
    (target) => {
      expect(deadEnd('docs/README.md', target)).toBeUndefined()
    },
  )
})
