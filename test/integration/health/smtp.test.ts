import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { startSmtpServer } from '../../peers/msmtpd.ts'
import { pause } from '../scratch.ts'
import { address, nothingIsLeft, serving } from './bad-servers.ts'
import { probeOf } from './who-asks.ts'

function ask(target: ProbeTarget, helo = 'director.example') {
  return probeOf({ kind: 'smtp', helo }, target)(AbortSignal.timeout(1_500))
}

/** Greets, then answers one line after the other. Gives what it was told. */
async function scripted(greeting: string, ...answers: readonly string[]) {
  const heard: string[] = []
  const target = await serving(async (socket: Socket) => {
    const rest = [...answers]
    socket.on('data', (chunk) => {
      heard.push(chunk.toString())
      const answer = rest.shift()
      if (answer === undefined) socket.destroySoon()
      else socket.write(answer)
    })
    for (const piece of greeting.match(/.{1,9}/gs) ?? []) {
      socket.write(piece)
      await pause(10)
    }
  })
  return { target, heard }
}

describe('an SMTP server', () => {
  it('that is real passes, hangs in time when it is frozen, and is refused when it is gone', async () => {
    await using server = await startSmtpServer()
    const target = { address: address(server.address), port: server.port }
    expect(await ask(target)).toEqual({ outcome: 'passed' })
    server.freeze()
    onTestFinished(() => server.thaw())
    expect(await ask(target)).toMatchObject({
      outcome: 'failed',
      failure: 'no-answer',
      message: `${server.address}:2525 sends no greeting in time`,
    })
    server.thaw()
    expect(await ask(target)).toEqual({ outcome: 'passed' })
    await server.stop()
    expect(await ask(target)).toMatchObject({ outcome: 'failed', failure: 'refused' })
    await nothingIsLeft()
  })

  it('may say everything in many lines, which may come in pieces', async () => {
    const { target, heard } = await scripted(
      '220-mail.example\r\n220 ready\r\n',
      '250-mail.example\r\n250-SIZE\r\n250\r\n',
      '221 bye\r\n',
    )
    expect(await ask(target)).toEqual({ outcome: 'passed' })
    expect(heard).toEqual(['EHLO director.example\r\n', 'QUIT\r\n'])
    await nothingIsLeft()
  })

  it.each([
    ['554 no mail here\r\n', [], 'has the greeting "554 no mail here"'],
    ['421 too busy\r\n', [], 'has the greeting "421 too busy"'],
    ['SSH-2.0-OpenSSH\r\n', [], 'has the greeting "SSH-2.0-OpenSSH"'],
    ['220 hello\r\n', ['502 what?\r\n'], 'has the answer to EHLO "502 what?"'],
  ])('that says %j is wrong', async (greeting, answers, message) => {
    const { target } = await scripted(greeting, ...answers)
    expect(await ask(target)).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `127.0.0.1:${target.port} ${message}`,
    })
    await nothingIsLeft()
  })

  it('that closes in the middle is told by where', async () => {
    const { target } = await scripted('220 hello\r\n')
    expect(await ask(target)).toMatchObject({ failure: 'closed', message: expect.stringContaining('without the answer to EHLO') })
    // To QUIT it owes no answer, and no orderly end.
    const rude = await serving((socket) => {
      socket.write('220 hello\r\n')
      socket.on('data', (chunk) => (chunk.toString().startsWith('QUIT') ? socket.resetAndDestroy() : socket.write('250 yes\r\n')))
    })
    expect(await ask(rude)).toEqual({ outcome: 'passed' })
    expect(await ask((await scripted('220 hello\r\n', '250 so what\r\n')).target)).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })
})
