import { describe, expect, it } from 'vitest'
import { complaints, loaded } from './support.ts'

const hooks = (keys: string) => `global: { hooks: ${keys} }\nservices: []\n`

describe('hooks', () => {
  it('are none unless they are written', () => {
    expect(loaded('services: []\n')).not.toHaveProperty('hooks')
  })

  it('are told of everything but what is written to the kernel, and have ten seconds', () => {
    expect(loaded(hooks('{ exec: [/bin/tell, "", -v] }')).hooks).toEqual({
      exec: ['/bin/tell', '', '-v'],
      on: ['health', 'operator', 'serving', 'pool', 'quorum', 'ejection', 'guard', 'source'],
      timeout: 10_000,
    })
  })

  it('take what is written', () => {
    expect(loaded(hooks('{ webhook: "HTTP://a.example:80/x?t=1", on: [kernel, health, kernel], timeout: 500ms }')).hooks).toEqual(
      {
        webhook: 'http://a.example/x?t=1',
        on: ['kernel', 'health'],
        timeout: 500,
      },
    )
  })

  it('run programs for the quorum alone', () => {
    expect(loaded(hooks('{ quorum_up: [/bin/up], quorum_down: [/bin/down, now] }')).hooks).toMatchObject({
      quorumUp: ['/bin/up'],
      quorumDown: ['/bin/down', 'now'],
    })
  })

  it.each([
    ['{}', 'hooks tells nobody; write exec, webhook, quorum_up or quorum_down'],
    ['{ on: [health] }', 'hooks tells nobody; write exec, webhook, quorum_up or quorum_down'],
    ['{ exec: tell }', 'a text is not a command; write a list: the whole path'],
    ['{ exec: [tell] }', '"tell" is not the whole path of a program'],
    ['{ exec: [PIN=hunter2] }', 'the first text is not the whole path of a program'],
    ['{ exec: [] }', 'the list is empty'],
    ['{ webhook: alerts }', 'this is not the address of a webhook'],
    ['{ webhook: "ftp://a.example/" }', 'ftp:// cannot be told of anything'],
    ['{ webhook: "https://a.example/#x" }', 'what stands behind # is not sent'],
    ['{ exec: [/x], on: [] }', 'the list is empty; write a list of health, operator'],
    ['{ exec: [/x], on: [helth] }', '"helth" is not known; did you mean health?'],
    ['{ exec: [/x], on: health }', '"health" is not a list of kinds'],
    ['{ exec: [/x], timeout: 10 }', '10 has no unit'],
    ['{ exce: [/x] }', 'did you mean exec?'],
  ])('%s is refused', (keys, sentence) => {
    expect(complaints(hooks(keys)).join()).toContain(sentence)
  })

  it.each([
    '{ webhook: "https://me:s3cret@a.example/" }',
    '{ webhook: "s3cret//" }',
    '{ webhook: "https://a.example/s3cret#" , on: [] }',
  ])('a secret in the address is not shown: %s', (keys) => {
    const said = complaints(hooks(keys))
    expect(said).not.toEqual([])
    expect(said.join()).not.toContain('s3cret')
  })
})
