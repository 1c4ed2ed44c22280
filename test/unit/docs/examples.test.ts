/** Every command that the documentation shows is run: by test/kernel/docs-examples.test.ts, or where the table says. */

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readOptions } from '../../bench/options.ts'
import { ELSEWHERE, elsewhere } from '../../support/doc-elsewhere.ts'
import { blocksOf, examplesOf, PAGES, placeOf, withoutComment } from '../../support/doc-examples.ts'
import { stale } from '../../support/doc-shape.ts'

const examples = PAGES.flatMap(examplesOf)
const commands = examples.map(({ command }) => withoutComment(command))

/** What begins a line that is meant for a shell; of the words of our own program those that it takes, without the `:` of what it prints. */
const PROGRAM =
  /^(?:\$ |# )?(?:npm|npx|node|vitest|apt|curl|docker|kubectl|ip|ipvsadm|sysctl|modprobe|journalctl|systemctl|nft|openssl|pointsman [a-z]+(?= |$))\b(?! ?[:=])/m

describe('blocks of the documentation', () => {
  it('say what they are, so that no command hides in one that is not marked', () => {
    const blocks = PAGES.flatMap(blocksOf)
    expect(blocks.filter(({ info }) => info === '').map(placeOf)).toEqual([])
    // A fence that is not seen would hide one, too.
    const fences = PAGES.map((page) => readFileSync(page, 'utf8').match(/^\s*```/gm)?.length ?? 0)
    expect(blocks).toHaveLength(fences.reduce((sum, count) => sum + count, 0) / 2)
    const hidden = blocks.filter(({ info, text }) => /^(text|console|bash|shell)$/.test(info) && PROGRAM.test(text))
    expect(hidden.map(placeOf)).toEqual([])
    expect(commands.length).toBeGreaterThan(150)
  })
})

describe('commands that are run elsewhere', () => {
  it.each(ELSEWHERE)('$command', ({ command, test, because }) => {
    expect(commands.some((each) => command.test(each))).toBe(true)
    expect(test ?? because).toBeDefined()
    if (test === undefined) return
    const text = readFileSync(test.file, 'utf8')
    for (const words of test.has) expect(text).toContain(words)
  })

  it('are scripts, files and projects that there are', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    const projects = readFileSync('vitest.config.ts', 'utf8')
    for (const command of examples.filter(elsewhere).map((each) => withoutComment(each.command))) {
      const script = /^npm (?:run )?([\w:]+)/.exec(command)?.[1]
      if (script !== undefined && script !== 'install') expect(scripts, command).toHaveProperty([script])
      for (const [path] of command.matchAll(/(?<=\s)(?:src|test|deploy|config)\/\S+/g)) expect(existsSync(path), path).toBe(true)
      const project = /--project (\S+)/.exec(command)?.[1]
      if (project !== undefined) expect(projects).toContain(`'${project}'`)
    }
  })

  it('have options that the bench takes', () => {
    const lines = commands.filter((command) => command.startsWith('npm run bench')).map((command) => command.split(' ').slice(4))
    expect(lines.length).toBeGreaterThan(5)
    expect(lines.filter((words) => readOptions(words) === undefined)).toEqual([])
    expect(readOptions(['--fast'])).toBeUndefined()
  })
})

describe('the shape of an output', () => {
  const shown =
    'web  tcp/10.0.0.1:80  wrr, 2 of 3 serve\n  BACKEND      ADMIN\n  operator: drain for 2m, until 2026-01-01T02:00:00.000Z\n'

  it('is the same with other addresses, numbers, times and widths', () => {
    const printed =
      'web  tcp/10.9.0.1:8080  wrr, 1 of 12 serve\n  BACKEND           ADMIN\n  operator: drain for 1h 5s, until 2027-12-31T02:00:00.123Z\n'
    expect(stale(shown, printed)).toEqual([])
  })

  it('is another one in another order', () => {
    expect(stale('a\nb\n', 'b\na\n')).toEqual(['b'])
    expect(stale('a\nb\n', 'x\na\ny\nb\n')).toEqual([])
  })

  it.each([
    ['a word', shown.replace('serve', 'served'), 'web  tcp/10.0.0.1:80  wrr, 2 of 3 serve'],
    ['a column', shown.replace('ADMIN', 'WORD'), '  BACKEND      ADMIN'],
    ['a line', shown.replace(/ {2}operator.*\n/, ''), '  operator: drain for 2m, until 2026-01-01T02:00:00.000Z'],
  ])('is another one without %s', (_, printed, missing) => {
    expect(stale(shown, printed.replace('2 of 3 served', '2 of 3 are served'))).toEqual([missing])
  })
})
