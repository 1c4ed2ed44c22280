// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resolveText } from '../../../../src/config/parameters/resolve.ts'
import { asWritten, parseTemplate } from '../../../../src/config/parameters/template.ts'

const surroundings = {
  environment: { A: 'one', STAGE: 'test', EMPTY: '', CURLY: '${env.A}', BRACE: 'x}y' },
  interfaces: {},
  documents: [{ kind: 'file', value: { backends: { test: '192.168.1.10' } } }],
} as const

/** The text that comes of another one; the sentence where none does. */
function outcome(text: string): string {
  const result = resolveText(text, surroundings)
  return result.ok ? result.text : `${result.at}: ${result.problem}`
}

describe('a text', () => {
  it.each([
    ['no parameter', 'no parameter'],
    ['$1 costs $ and $$', '$1 costs $ and $$'],
    ['{} } {', '{} } {'],
    ['a${env.A}b', 'aoneb'],
    ['${env.A}${env.A}', 'oneone'],
    ['$${env.A}', '${env.A}'],
    ['$$${env.A}', '$${env.A}'],
    ['$x${env.A}$', '$xone$'],
    ['${backends.${env.STAGE}}:8080', '192.168.1.10:8080'],
    ['${env.NONE:-8080}', '8080'],
    ['${env.NONE:-}', ''],
    ['${env.EMPTY:-full}', 'full'],
    ['${env.NONE:-${env.A}-${env.STAGE}}', 'one-test'],
    ['${env.NONE:-$${x}', '${x'],
    ['${env.A:-never}', 'one'],
    // What a parameter stands for is text, whatever is in it.
    ['${env.CURLY}', '${env.A}'],
    ['${env.BRACE}', 'x}y'],
    ['http://x/:-y', 'http://x/:-y'],
  ])('%s stands for %s', (text, expected) => {
    expect(outcome(text)).toBe(expected)
  })

  it.each([
    ['a ${env.A', '2: the parameter that begins here has no end'],
    ['${}', '0: the parameter has no name'],
    ['x${:-5}', '1: the parameter has no name'],
    ['${env.NONE}', '0: ${env.NONE} is not in the environment'],
    ['a${env.EMPTY}', '1: ${env.EMPTY} is an empty variable'],
    ['${backends.${env.NONE}}', '11: ${env.NONE} is not in the environment'],
    ['${env.NONE:-${env.NEITHER}}', '12: ${env.NEITHER} is not in the environment'],
    ['${backends}', '0: ${backends} stands for a mapping, which cannot stand in a text'],
    ['${backends:-x}', '0: ${backends:-...} stands for a mapping, which cannot stand in a text'],
    [`${'${'.repeat(11)}a${'}'.repeat(11)}`, '20: parameters are nested too deeply'],
  ])('%s stands for nothing', (text, sentence) => {
    expect(outcome(text)).toBe(sentence)
  })

  it.each([
    'nc -z $POINTSMAN_ADDRESS ${POINTSMAN_PORT:-8080} && test "${LAG:-0}" -lt 3',
    'test "${POINTSMAN_TO:-}" = down && page-oncall',
    '${X} ${X:=1} ${X:?gone} ${X:+1} ${X-1} ${X=1} ${X?gone} ${X+1} ${#X} ${!X} ${X:2:3}',
    '${X%.*} ${X%%.*} ${X#*/} ${X##*/} ${X/a.b/c} ${X^^} ${X,,} ${X@Q} ${1} ${10:-x.y} ${@} ${*} ${#} ${?} ${$} ${X[0]} ${X[@]}',
    '${X:-${Y:-${Z}}}',
  ])('%s is of a shell, and left to it while no documents are named', (text) => {
    expect(resolveText(text, { ...surroundings, documents: [] })).toMatchObject({ ok: true, text, outsiders: [] })
    expect(resolveText(text, surroundings)).not.toMatchObject({ text })
    expect(resolveText(text, { ...surroundings, documents: 'unread' })).not.toMatchObject({ text })
  })

  it.each([
    ['${X:-${env.A}}', '${X:-one}'],
    ['${env.A}${X}', 'one${X}'],
    ['${env.NONE:-x}', 'x'],
    ['$${X}', '${X}'],
  ])('%s beside a shell is %s', (text, expected) => {
    expect(resolveText(text, { ...surroundings, documents: [] })).toMatchObject({ ok: true, text: expected })
  })

  it.each([
    ['${evn.X}', 'is no parameter', 'did you mean ${env.NAME}? $${ stands for'],
    ['${evn.X:-80}', 'is no parameter', 'did you mean ${env.NAME}? $${ stands for'],
    ['${hots.eth0}', 'is no parameter', 'did you mean ${host.NAME}? $${ stands for'],
    ['${ports.web}', 'is no parameter', 'or name documents under parameters; $${ stands for'],
    ['${X[0].ip}', 'is no parameter', 'or name documents under parameters; $${ stands for'],
    ['${env.A', 'has no end', '$${ stands for'],
    ['${X', 'has no end', '$${ stands for'],
    ['${}', 'has no name', '$${ stands for'],
    ['${env.NONE:-${X}}', 'is no parameter', '$${ stands for'],
  ])('%s is refused without documents, with the way to write it as a text', (text, problem, remedy) => {
    expect(resolveText(text, { ...surroundings, documents: [] })).toMatchObject({
      problem: expect.stringContaining(problem),
      remedy: expect.stringContaining(remedy),
    })
  })

  it('without a parameter stays what it is, and escaped it stands for itself, whatever it is', () => {
    const strange = fc.string({ unit: fc.constantFrom('$', '{', '${', '}', ':-', 'a', '.', 'env.A') })
    let withParameters = 0
    fc.assert(
      fc.property(strange, (text) => {
        expect(outcome(text.replaceAll('${', () => '$${'))).toBe(text)
        if (!text.includes('${')) expect(outcome(text)).toBe(text)
        else withParameters++
        expect(parseTemplate(text)).toHaveProperty('ok')
      }),
      { numRuns: 500 },
    )
    expect(withParameters).toBeGreaterThan(50)
  })

  it('knows which values came from outside, and what stands for them', () => {
    expect(resolveText(`${asWritten('env.A')}:${asWritten('env.NONE:-80')}`, surroundings)).toEqual({
      ok: true,
      text: 'one:80',
      // A default may be a secret.
      shown: '${env.A}:${env.NONE:-...}',
      outsiders: [{ written: '${env.A}', value: 'one' }],
    })
  })
})
