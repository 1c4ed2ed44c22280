import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PointsmanError } from '../../../../src/errors.ts'
import { readLines } from '../../../../src/migrate/keepalived/lines.ts'
import { readTree } from '../../../../src/migrate/keepalived/tree.ts'
import { tokens, withoutComment } from '../../../../src/migrate/keepalived/words.ts'
import { CONF, filesOf } from '../support.ts'

async function lines(text: string, more: { configId?: string; files?: Record<string, string> } = {}) {
  const read = await readLines(CONF, filesOf({ [CONF]: text, ...more.files }), more.configId)
  return { ...read, texts: read.lines.map((line) => line.text.replaceAll(/\s+/g, ' ')) }
}

const words = (line: string) => tokens(line).map((token) => (token.kind === 'word' ? token.text : token.kind))

describe('comments and words', () => {
  it.each([
    ['delay_loop 6 ! seconds', 'delay_loop 6 '],
    ['weight 1# one', 'weight 1'],
    ['path "/a#b" # c', 'path "/a#b" '],
    ["misc_path '/a!b'", "misc_path '/a"],
    ["router_id Bob's # one", "router_id Bob's "],
    ['path /a\\#b#c', 'path /a\\#b'],
    ['! all of it', ''],
  ])('%s', (line, bare) => {
    expect(withoutComment(line)).toBe(bare)
  })

  it.each<[string, string[]]>([
    ['real_server 10.0.0.1 80 {', ['real_server', '10.0.0.1', '80', 'open']],
    ['url{', ['url', 'open']],
    ['url { path / }', ['url', 'open', 'path', '/', 'close']],
    ['abcd" efg h jkl "mnop', ['abcd efg h jkl mnop']],
    ['abcd "efg h jkl" mnop', ['abcd', 'efg h jkl', 'mnop']],
    ['misc_path "/bin/x \'a b\'"', ['misc_path', "/bin/x 'a b'"]],
    ["misc_path '/bin/x a b'", ['misc_path', '/bin/x a b']],
    ["vrrp_instance Bob's {", ['vrrp_instance', "Bob's", 'open']],
    ['regex ^a{3}$', ['regex', '^a{3}$']],
    ['regex "a\\\\d\\x41\\101\\t"', ['regex', 'a\\dAA\t']],
    ['quorum_up ""', ['quorum_up', '']],
    [`path \${UNKNOWN}`, ['path', `\${UNKNOWN}`]],
  ])('%s', (line, expected) => {
    expect(words(line)).toEqual(expected)
  })
})

describe('parameters', () => {
  it('are replaced when they are used, also within each other', async () => {
    const text = `
$BASE=10.2.\${SUB}
$SUB=0
ip \${BASE}.100
$SUB=10
ip \${BASE}.100 $SUB
ip $SUBX \${UNKNOWN} $SUB.1`
    expect((await lines(text)).texts).toEqual(['ip 10.2.0.100', 'ip 10.2.10.100 10', `ip $SUBX \${UNKNOWN} $SUB.1`])
  })

  it('may be blocks of several lines, which define others', async () => {
    const text = `
$RS= \\
  real_server 10.0.0.\${N} 80 { \\
    weight \${W} \\
  }
$BOTH= \\
  $N=1 \\
  $RS \\
  $N=2 \\
  $RS
$W=3
virtual_server 10.0.0.1 80 {
  $BOTH
}`
    const { texts, lines: found } = await lines(text)
    expect(texts).toEqual([
      'virtual_server 10.0.0.1 80 {',
      'real_server 10.0.0.1 80 {',
      'weight 3',
      '}',
      'real_server 10.0.0.2 80 {',
      'weight 3',
      '}',
      '}',
    ])
    // A place is where the reader finds what to change: the use of the block.
    expect(found.map(({ place }) => place.line)).toEqual([12, 13, 13, 13, 13, 13, 13, 14])
  })

  it('of keepalived itself are known as far as they are the same everywhere', async () => {
    const { texts, leftOut } = await lines(`a \${_PWD} \${_INSTANCE} \${_HASH}\nb \${_RANDOM 1 5}`, { configId: 'lb1' })
    expect(texts).toEqual(['a /etc/keepalived lb1 \\#', `b \${_RANDOM 1 5}`])
    expect(leftOut).toMatchObject([{ line: 2, directive: `\${_RANDOM 1 5}` }])
  })

  it('that stand for each other are told, not followed for ever', async () => {
    await expect(lines(`$A=\${B}\n$B=\${A}\nx \${A}`)).rejects.toThrow(/keepalived\.conf:3:1: parameters stand for each other/)
  })

  it('that multiply a file without bounds are refused', async () => {
    const text = `~SEQ(A, 1, 1000) ~SEQ(B, 1, 1000) ip \${A} \${B}`
    await expect(lines(text)).rejects.toThrow(/becomes more than 200000 lines/)
  })
})

describe('sequences and lists', () => {
  it.each<[string, string[]]>([
    [`~SEQ(S, 0, 3) ip 10.0.\${S}.1`, ['ip 10.0.0.1', 'ip 10.0.1.1', 'ip 10.0.2.1', 'ip 10.0.3.1']],
    [`~SEQ(S, 2) ip \${S}`, ['ip 1', 'ip 2']],
    [`~SEQ(S, 3, 1) ip \${S}`, ['ip 3', 'ip 2', 'ip 1']],
    [`~SEQx(S, 0x90, 0x10, 0xb0) ip \${S}`, ['ip 90', 'ip a0', 'ip b0']],
    [`~LST({A, B}, {10,1},{20,4}) ip \${A}.\${B}`, ['ip 10.1', 'ip 20.4']],
    [`~LST(A, x, y) ~SEQ(B, 1, 2) ip \${A}\${B}`, ['ip x1', 'ip x2', 'ip y1', 'ip y2']],
  ])('%s', async (text, expected) => {
    expect((await lines(text)).texts).toEqual(expected)
  })

  it.each(['~SEQ(S, 1, 0, 3) x', '~SEQ(1S, 3) x', '~SEQ(S, a) x', '~LST(A) x', '~LST({A, B}, {1}) x', '~FOO(A) x'])(
    '%s cannot be read',
    async (text) => {
      await expect(lines(text)).rejects.toMatchObject({ code: 'CONFIG_INVALID', exitCode: 32 })
    },
  )
})

describe('lines for some hosts', () => {
  const text = `@main router_id a\n@^main router_id b\n@main $P=240\npriority \${P}`

  it('count where the host is named', async () => {
    expect((await lines(text, { configId: 'main' })).texts).toEqual(['router_id a', 'priority 240'])
    expect((await lines(text, { configId: 'backup' })).texts).toEqual(['router_id b', `priority \${P}`])
  })

  it('are listed where it is not', async () => {
    const { texts, leftOut } = await lines(text)
    expect(texts).toEqual([`priority \${P}`])
    expect(leftOut.map(({ line, directive }) => [line, directive])).toEqual([
      [1, '@main router_id a'],
      [2, '@^main router_id b'],
      [3, '@main $P=240'],
    ])
    expect(leftOut[1]?.remedy).toContain('--config-id main')
  })
})

describe('secrets in lines for some hosts', () => {
  it.each([
    ['@lb1 auth_pass hunter2', '@lb1 auth_pass ***'],
    ['@^lb1\tpassword "hunter2 x"', '@^lb1\tpassword ***'],
    ['@lb1 $AUTH=hunter2', '@lb1 $AUTH ***'],
    ['@lb1 $X=auth_pass hunter2', '@lb1 $X=auth_pass ***'],
    ['@lb1 vrrp_instance V { authentication { auth_pass hunter2 } }', '@lb1 vrrp_instance V { authentication ***'],
    ['@lb1 authentication {', '@lb1 authentication {'],
    ['@auth1 priority 10', '@auth1 priority 10'],
  ])('%j is shown as %j', async (line, directive) => {
    expect((await lines(line)).leftOut.map((each) => each.directive)).toEqual([directive])
  })
})

describe('bytes that are not UTF-8', () => {
  const latin = (text: string) => {
    const files = filesOf({})
    return readLines(CONF, { ...files, read: async () => ({ ok: true, bytes: Buffer.from(text, 'latin1') }) as const }, undefined)
  }

  it("in comments are nobody's business", async () => {
    const read = await latin('# détour\nweight 1 ! à vérifier\n')
    expect(read.lines.map(({ text }) => text)).toEqual(['weight 1'])
    expect(read.leftOut).toEqual([])
  })

  it('elsewhere are Latin 1, and listed without what they say', async () => {
    const read = await latin('path /é\npassword né\n')
    expect(read.lines.map(({ text }) => text)).toEqual(['path /é', 'password né'])
    expect(read.leftOut).toMatchObject([
      { line: 1, directive: 'path', reason: 'the file is not UTF-8, and was read as Latin 1' },
      { line: 2, directive: 'password' },
    ])
  })
})

describe('include', () => {
  it('may name files by parameters', async () => {
    const files = { '/etc/keepalived/sites/a.conf': 'first', '/etc/keepalived/sites/b.conf': 'second' }
    const { texts, leftOut } = await lines(`$DIR=sites\ninclude \${DIR}/a.conf\ninclude "\${_PWD}/sites/b*.conf"`, { files })
    expect(texts).toEqual(['first', 'second'])
    expect(leftOut).toEqual([])
  })

  const files = {
    '/etc/keepalived/conf.d/b.conf': 'second\ninclude more/*.conf',
    '/etc/keepalived/conf.d/a.conf': `first \${_PWD}`,
    '/etc/keepalived/conf.d/more/c.conf': `third \${_PWD}`,
  }

  it('reads files by patterns, from the directory of the file that names them', async () => {
    const read = await lines(`before\ninclude conf.d/*.conf\nafter \${_PWD}`, { files })
    expect(read.texts).toEqual([
      'before',
      'first /etc/keepalived/conf.d',
      'second',
      'third /etc/keepalived/conf.d/more',
      'after /etc/keepalived',
    ])
    expect(read.lines[3]?.place).toEqual({ file: '/etc/keepalived/conf.d/more/c.conf', line: 1 })
  })

  it('of what is not there is listed, as keepalived passes over it', async () => {
    const { leftOut } = await lines('includer /nowhere/*.conf')
    expect(leftOut).toMatchObject([{ line: 1, directive: 'include /nowhere/*.conf' }])
  })

  it('of itself is refused', async () => {
    await expect(lines('include keepalived.conf')).rejects.toThrow(/keepalived\.conf includes itself/)
  })
})

describe('blocks', () => {
  const tree = async (text: string) => readTree((await lines(text)).lines)

  it('may begin on a line of their own, and end on that of the last word', async () => {
    expect(await tree('a b\n{\n c { d e }\n f }\ng')).toMatchObject([
      { name: 'a', words: ['b'], block: [{ name: 'c', block: [{ name: 'd', words: ['e'] }] }, { name: 'f' }] },
      { name: 'g' },
    ])
  })

  it.each([
    ['a {\n b {\n }\n', /keepalived\.conf:1:1: the block of a has no end; write the } that is missing/],
    ['a {\n}\n}\n', /keepalived\.conf:3:1: this } ends nothing/],
    ['{\n}\n', /keepalived\.conf:1:1: a block begins here that belongs to nothing/],
  ])('that do not pair are refused with their line: %j', async (text, sentence) => {
    await expect(tree(text)).rejects.toThrow(sentence)
  })

  it('of any text either are read or are refused in words', async () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      ' ',
      '\n',
      '"',
      "'",
      '\\',
      '$A',
      `\${A}`,
      '$A=',
      '@x',
      '~SEQ(A,2)',
      'word',
      '!',
      '#',
      '10.0.0.1',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 30 }), async (parts) => {
        try {
          await tree(parts.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(PointsmanError)
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
        }
      }),
    )
  })
})

it('a file that is not there, and one that is no text, have the codes of every other command', async () => {
  await expect(readLines('/nowhere', filesOf({}), undefined)).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE', exitCode: 30 })
  await expect(lines('a\0b')).rejects.toMatchObject({ code: 'CONFIG_INVALID', exitCode: 32 })
})
