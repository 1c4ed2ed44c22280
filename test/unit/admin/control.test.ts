import { mkdir, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Control, startControlServer } from '../../../src/admin/control.ts'
import { controlSocket } from '../../../src/admin/control-socket-name.ts'
import { A_WHILE } from '../../../src/cli/operator-word.ts'
import { askDaemon, connectError } from '../../../src/daemon/ask-daemon.ts'
import { PointsmanError } from '../../../src/errors.ts'
import { currentPlace } from '../../../src/store/ownership.ts'
import { command } from '../daemon/command.ts'
import { temporaryDirectory } from '../daemon/rig.ts'

const OWN = controlSocket((await currentPlace()).netns)

const CONTENT = {
  metricsPath: '/metrics',
  health: () => ({ status: 'ready' as const, reasons: [] }),
  async *metrics() {
    yield 'a 1\n'
  },
}

/** Answers nothing but what is scripted. */
function control(scripted: Partial<Control>): Control {
  const unasked = () => {
    throw new Error('nobody is to ask for this')
  }
  return {
    approve: unasked,
    adopt: unasked,
    pause: unasked,
    resume: unasked,
    say: unasked,
    status: unasked,
    why: unasked,
    ...scripted,
  }
}

type Approve = (service: string) => readonly string[]

const removed =
  (approve: Approve): Control['approve'] =>
  (service) => ({ removals: approve(service), failures: [] })

async function serve(approve: Approve = () => []): Promise<string> {
  const directory = await temporaryDirectory()
  await open(directory, approve)
  return directory
}

async function open(directory: string, approve: Approve = () => [], name = OWN): Promise<void> {
  const server = await startControlServer(join(directory, name), CONTENT, control({ approve: removed(approve) }))
  onTestFinished(() => server[Symbol.asyncDispose]())
}

describe('the admin socket', () => {
  test('is for its owner alone, and takes the verb as well as looks', async () => {
    const asked: string[] = []
    const directory = await serve((service) => {
      asked.push(service)
      return ['10.0.1.1:80']
    })
    expect((await stat(join(directory, OWN))).mode & 0o777).toBe(0o600)
    const name = 'web & co/ü'
    expect(await askDaemon(directory, 'POST', `/approve?service=${encodeURIComponent(name)}`)).toEqual({
      service: name,
      approved: ['10.0.1.1:80'],
    })
    expect(asked).toEqual([name])
    expect(await askDaemon(directory, 'GET', '/readyz')).toEqual({ status: 'ready', reasons: [] })
  })

  test('tells failures that were held apart from removals', async () => {
    const directory = await temporaryDirectory()
    const approve = () => ({ removals: ['10.0.1.1:80'], failures: ['10.0.1.2:80'] })
    const server = await startControlServer(join(directory, OWN), CONTENT, control({ approve }))
    onTestFinished(() => server[Symbol.asyncDispose]())
    expect(await askDaemon(directory, 'POST', '/approve?service=web')).toEqual({
      service: 'web',
      approved: ['10.0.1.1:80'],
      failures: ['10.0.1.2:80'],
    })
    expect((await command('approve', 'web', '--state-dir', directory)).out).toBe(
      '1 removal is let go from web: 10.0.1.1:80\nheld in service no longer, and believed, of web: 10.0.1.2:80\n',
    )
  })

  test.each(['BAD_INPUT', 'NOTHING_HELD'] as const)('tells in its own words why it refuses: %s', async (code) => {
    const directory = await serve(() => {
      throw new PointsmanError(code, 'Because.')
    })
    await expect(askDaemon(directory, 'POST', '/approve?service=web')).rejects.toMatchObject({ code, message: 'Because.' })
  })

  test('does nothing for a request that only looks', async () => {
    const directory = await serve(() => {
      throw new Error('asked')
    })
    await expect(askDaemon(directory, 'GET', '/approve?service=web')).rejects.toMatchObject({
      code: 'NO_DAEMON',
      message: expect.stringContaining('status 405'),
    })
  })

  test('takes the place of one that a killed process left behind', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, OWN)
    await writeFile(path, '')
    await open(directory)
    expect(await askDaemon(directory, 'GET', '/healthz')).toMatchObject({ status: 'ok' })
  })

  test('is not taken from somebody who serves it', async () => {
    const directory = await serve()
    await expect(startControlServer(join(directory, OWN), CONTENT, control({}))).rejects.toMatchObject({
      code: 'ADMIN_ADDRESS',
      message: expect.stringContaining('another process serves it'),
    })
    expect(await askDaemon(directory, 'GET', '/healthz')).toMatchObject({ status: 'ok' })
  })

  test('needs a path that the kernel takes', async () => {
    const path = join(await temporaryDirectory(), 'x'.repeat(100), OWN)
    await expect(startControlServer(path, CONTENT, control({}))).rejects.toMatchObject({
      code: 'ADMIN_ADDRESS',
      message: expect.stringContaining('longer than 107 bytes'),
    })
  })
})

describe('what the operator says over the admin socket', () => {
  async function saying(say: Control['say']): Promise<string> {
    const directory = await temporaryDirectory()
    const server = await startControlServer(join(directory, OWN), CONTENT, control({ say }))
    onTestFinished(() => server[Symbol.asyncDispose]())
    return directory
  }

  test('goes along as JSON and is checked', async () => {
    const asked: unknown[] = []
    const directory = await saying(async (request) => {
      asked.push(request)
      return { changed: [], unchanged: [], kept: true }
    })
    const request = { verb: 'drain', target: { service: 'web & co/ü', backends: ['10.0.1.1:80'] }, reason: 'Platte', for: 1_000 }
    expect(await askDaemon(directory, 'POST', '/operator', request)).toEqual({ changed: [], unchanged: [], kept: true })
    expect(asked).toEqual([request])
  })

  test.each([
    [undefined],
    [{ verb: 'shout', target: { service: 'web' } }],
    [{ verb: 'drain', target: {} }],
    [{ verb: 'drain', target: { service: 'web' }, reason: 'two\nlines' }],
    [{ verb: 'weight', target: { service: 'web' }, weight: 65_536 }],
    [{ verb: 'weight', target: { service: 'web' }, weight: 5, over: 1_800_000, for: 600_000 }],
    [{ verb: 'ready', target: { service: 'web' }, for: 1 }],
    [{ verb: 'drain', target: { service: 'web' }, for: Number.MAX_SAFE_INTEGER }],
    [{ verb: 'weight', target: { service: 'web' }, weight: 5, over: Number.MAX_SAFE_INTEGER }],
    [{ verb: 'drain', target: { service: 'web' }, reason: 'x'.repeat(2_000_000) }],
  ])('is refused where it makes no sense: %o', async (request) => {
    const directory = await saying(() => {
      throw new Error('asked')
    })
    await expect(askDaemon(directory, 'POST', '/operator', request)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })

  test('may name every time that a command may', async () => {
    const directory = await saying(async () => ({ changed: [], unchanged: [], kept: true }))
    const request = { verb: 'drain', target: { service: 'web' }, for: A_WHILE.max }
    expect(await askDaemon(directory, 'POST', '/operator', request)).toMatchObject({ kept: true })
  })

  test('is lost with a client that goes in the middle of it, and with nothing else', async () => {
    const directory = await saying(async () => ({ changed: [], unchanged: [], kept: true }))
    const socket = connect(join(directory, OWN))
    socket.write('POST /operator HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"verb"')
    await new Promise((resolve) => setTimeout(resolve, 20))
    socket.destroy()
    const request = { verb: 'ready', target: { service: 'web' } }
    expect(await askDaemon(directory, 'POST', '/operator', request)).toMatchObject({ kept: true })
  })
})

describe('the sockets of several network namespaces in one state directory', () => {
  const approved = (directory: string) => askDaemon(directory, 'POST', '/approve?service=web')
  const as = (name: string) => () => [name]

  test('are one each, and the daemon of our own namespace is asked', async () => {
    const directory = await serve(as('ours'))
    await open(directory, as('theirs'), controlSocket('1'))
    expect(await approved(directory)).toMatchObject({ approved: ['ours'] })
  })

  test.each([controlSocket('1'), controlSocket(undefined)])(
    'without one of our own the only one that is served is asked: %s',
    async (name) => {
      const directory = await temporaryDirectory()
      await writeFile(join(directory, OWN), '')
      await writeFile(join(directory, controlSocket('2')), '')
      await open(directory, as('theirs'), name)
      expect(await approved(directory)).toMatchObject({ approved: ['theirs'] })
    },
  )

  test('without one of our own nobody guesses which of several is meant', async () => {
    const directory = await temporaryDirectory()
    await open(directory, as('one'), controlSocket('1'))
    await open(directory, as('two'), controlSocket('2'))
    await expect(approved(directory)).rejects.toMatchObject({
      code: 'NO_DAEMON',
      message: expect.stringMatching(/admin-1\.sock, .*admin-2\.sock.*nsenter/),
    })
  })
})

describe('asking a daemon', () => {
  test('that is not there', async () => {
    const directory = await temporaryDirectory()
    await expect(askDaemon(directory, 'GET', '/healthz')).rejects.toMatchObject({
      code: 'NO_DAEMON',
      exitCode: 45,
      message: `No daemon answers at ${directory}/${OWN} (there is no such socket): start one, or name the state directory of the one that runs with --state-dir.`,
    })
    await writeFile(join(directory, OWN), '')
    await expect(askDaemon(directory, 'GET', '/healthz')).rejects.toMatchObject({
      message: expect.stringContaining('nobody listens'),
    })
  })

  test.each(['EACCES', 'EPERM'])('whose socket is another user’s: %s', (code) => {
    expect(connectError(Object.assign(new Error('connect'), { code }), '/state/admin.sock')).toMatchObject({
      code: 'NO_PERMISSION',
      message: 'The admin socket /state/admin.sock may not be used: run this as the user of the daemon.',
    })
  })

  test('that is something else', async () => {
    const directory = await temporaryDirectory()
    await mkdir(directory, { recursive: true })
    const other = createServer((socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello')
    })
    await new Promise<void>((resolve) => other.listen(join(directory, OWN), resolve))
    onTestFinished(() => void other.close())
    await expect(askDaemon(directory, 'GET', '/healthz')).rejects.toMatchObject({ code: 'NO_DAEMON' })
  })
})
