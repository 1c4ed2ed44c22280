import { describe, expect, it } from 'vitest'
import { expand } from '../../../../src/config/include/glob.ts'
import { fakeReach } from '../fake-reach.ts'

const names = ['conf.d/b.yaml', 'conf.d/a.yaml', 'conf.d/.hidden.yaml', 'conf.d/c.json', 'conf.d/a1.yaml', 'conf.d/a+.yaml']
const files = Object.fromEntries(
  [...names, 'sites/x/s.yaml', 'sites/y/s.yaml', 'sites/readme', '/etc/p/z.yaml'].map((name) => [name, '']),
)
const { list } = fakeReach({ files })

async function outcome(pattern: string): Promise<readonly string[] | string> {
  const result = await expand(pattern, list)
  return result.ok ? result.paths : result.problem
}

describe('a pattern', () => {
  it.each<[string, readonly string[] | string]>([
    ['conf.d/*.yaml', ['conf.d/a+.yaml', 'conf.d/a.yaml', 'conf.d/a1.yaml', 'conf.d/b.yaml']],
    ['conf.d/?.yaml', ['conf.d/a.yaml', 'conf.d/b.yaml']],
    ['conf.d/[b-z].*', ['conf.d/b.yaml', 'conf.d/c.json']],
    ['conf.d/[!a]*', ['conf.d/b.yaml', 'conf.d/c.json']],
    ['conf.d/a+.y*', ['conf.d/a+.yaml']],
    ['conf.d/.*.yaml', ['conf.d/.hidden.yaml']],
    ['conf.d/*.toml', []],
    ['sites/*/s.yaml', ['sites/x/s.yaml', 'sites/y/s.yaml']],
    ['sites/*/*.yaml', ['sites/x/s.yaml', 'sites/y/s.yaml']],
    ['/etc/p/*', ['/etc/p/z.yaml']],
    ['cnof.d/*.yaml', 'cnof.d: there is no such directory'],
    ['conf.d/**/x', '** is not known'],
    ['conf.d/[z-a]', '[z-a] is no pattern'],
  ])('%s stands for %j', async (pattern, expected) => {
    expect(await outcome(pattern)).toEqual(expected)
  })

  it.each(['sites/*/s.yaml', 'sites/*/*.yaml', 'sites/?/[s]*'])(
    '%s passes no directory over that cannot be read',
    async (pattern) => {
      const denied = fakeReach({ files, unreadable: { 'sites/x': 'the directory may not be read by this user' } })
      expect(await expand(pattern, denied.list)).toMatchObject({
        ok: false,
        problem: 'sites/x: the directory may not be read by this user',
        directories: expect.arrayContaining(['sites', 'sites/x']),
      })
    },
  )

  it('names the directories that were looked into', async () => {
    const result = await expand('sites/*/*.yaml', list)
    expect(result.directories.toSorted()).toEqual(['sites', 'sites/x', 'sites/y'])
  })
})
