import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { keepalived } from '../support.ts'

describe('programs that are told of quorums', () => {
  const quorate = (address: string, block: string) =>
    `virtual_server ${address} 80 { protocol TCP\n ${block}\n real_server 10.0.1.1 80 { }\n}\n`

  it('one program for all quorums is carried over as it is', async () => {
    const script = 'quorum_up "/bin/tell up"'
    const unasked = 'virtual_server 10.0.0.3 80 { protocol TCP\n real_server 10.0.1.1 80 { } }\n'
    const same = await keepalived(quorate('10.0.0.1', script) + quorate('10.0.0.2', script) + unasked)
    expect(same.configuration.hooks).toMatchObject({ quorumUp: ['/bin/tell', 'up'] })
    expect(same.configuration.services.map(({ policy }) => policy.quorum)).toEqual([
      ...[1, 1].map((min) => ({ by: 'weight', min, hysteresis: 0 })),
      undefined,
    ])
    expect(same.leftOut).toEqual([])
  })

  /** What the program of the hook writes when this service is the one that it is told of. */
  function told(command: readonly string[] | undefined, service: string): string {
    const [program = '', ...args] = command ?? []
    return execFileSync(program, args, { env: { POINTSMAN_SERVICE: service }, encoding: 'utf8' })
  }

  it.each([
    ['a quorum of its own', 'quorum 2', ''],
    ['another program', `quorum_down "/bin/echo 'two  words' it\\\\'s | cat"`, "two  words it's\n"],
    ['the same with other arguments', 'quorum_down "/bin/echo two"', 'two\n'],
  ])('a program is not run for a service with %s', async (_, other, said) => {
    const { configuration, leftOut } = await keepalived(
      quorate('10.0.0.1', 'quorum_down "/bin/echo one"') + quorate('10.0.0.2', other),
    )
    const { quorumDown } = configuration.hooks ?? {}
    expect(told(quorumDown, 'tcp/10.0.0.1:80')).toBe('one\n')
    expect(told(quorumDown, 'tcp/10.0.0.2:80')).toBe(said)
    expect(told(quorumDown, 'tcp/10.0.0.3:80')).toBe('')
    expect(leftOut).toEqual([])
  })

  it('a name is no pattern of the shell, and no program is looked for', async () => {
    const { configuration, leftOut } = await keepalived(
      quorate('10.0.0.1', 'snmp_name "a b*"\n quorum_up "/bin/echo one"') +
        quorate('10.0.0.2', 'snmp_name "a bc"\n quorum_up echo'),
    )
    const { quorumUp } = configuration.hooks ?? {}
    const [first] = configuration.services
    expect(told(quorumUp, first?.name ?? '')).toBe('one\n')
    expect(told(quorumUp, 'a bc')).toBe('')
    expect(leftOut.filter((line) => line.includes('quorum_up'))).toEqual([
      expect.stringMatching(/quorum_up echo: a hook is the whole path of a program; write the whole path/),
    ])
  })
})
