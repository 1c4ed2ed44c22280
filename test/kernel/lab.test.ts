import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab, LabError } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'

let lab: Lab
beforeAll(async () => {
  lab = await sharedLab()
})
afterAll(() => lab.close())

describe('running commands in the lab', () => {
  it('hands back exit code, output and error output', async () => {
    const result = await lab.run('echo out; echo err >&2; exit 7')
    expect(result).toEqual({ code: 7, signal: undefined, stdout: 'out\n', stderr: 'err\n' })
  })

  it('tells a signal from an exit code', async () => {
    expect(await lab.run('kill -SEGV $$')).toMatchObject({ code: undefined, signal: 'SIGSEGV' })
  })

  it('passes arguments untouched, without a shell', async () => {
    const result = await lab.run(['printf', '%s|', 'a b', '$HOME', '*', 'ü'])
    expect(result.stdout).toBe('a b|$HOME|*|ü|')
  })

  it('says which command could not be started', async () => {
    await expect(lab.run(['no-such-command'])).rejects.toThrow(/cannot start no-such-command: .*ENOENT/)
  })

  it('feeds input to the command and ends it', async () => {
    expect((await lab.run('sort', { input: 'b\na\n' })).stdout).toBe('a\nb\n')
  })

  it('kills a command that takes too long, with what it started, and says so', async () => {
    const start = performance.now()
    await expect(lab.run('echo early; sleep 4321 & sleep 4321', { timeoutMs: 1000 })).rejects.toThrow(
      /took longer than 1 s.*early/s,
    )
    expect(performance.now() - start).toBeLessThan(20_000)
    expect((await lab.run('pgrep -f "[s]leep 4321"')).code).toBe(1)
  })

  it('turns a failed check into an error with the last words', async () => {
    await expect(lab.check('echo reason >&2; exit 3')).rejects.toThrow(
      new LabError("'echo reason >&2; exit 3' ended with 3 in the lab: reason"),
    )
  })

  it('carries megabytes of output unharmed', async () => {
    const sums = await lab.run('head -c 3000000 /dev/urandom | tee /tmp/random | base64 -w 0; md5sum </tmp/random >&2', {
      timeoutMs: 120_000,
    })
    const { createHash } = await import('node:crypto')
    const bytes = Buffer.from(sums.stdout, 'base64')
    expect(createHash('md5').update(bytes).digest('hex')).toBe(sums.stderr.split(' ')[0])
  })

  it('runs commands at the same time', async () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const meet = `mkdir -p /tmp/meet; touch /tmp/meet/$0; while [ $(ls /tmp/meet | wc -l) -lt ${names.length} ]; do sleep 0.1; done; echo $0`
    const results = await Promise.all(names.map((name) => lab.run(['sh', '-c', meet, name])))
    expect(results.map((result) => result.stdout.trim())).toEqual(names)
  })

  it('talks with a running command line by line and signals it', async () => {
    const echo = lab.spawn('trap "echo bye; exit 5" TERM; while read -r line; do echo "got $line"; done', { keepInput: true })
    echo.write('one\n')
    expect(await echo.waitForLine((line) => line.startsWith('got'))).toBe('got one')
    echo.kill('SIGTERM')
    echo.endInput()
    expect(await echo.exited).toEqual({ code: 5, signal: undefined })
    expect(echo.stdout).toBe('got one\nbye\n')
  })
})

describe('files and scripts in the lab', () => {
  it('writes and reads files of its own', async () => {
    const content = Buffer.from([0, 1, 2, 255])
    await lab.writeFile('/tmp/deep/er/file', content, 0o600)
    expect(await lab.readFile('/tmp/deep/er/file')).toEqual(content)
    expect(await lab.check('stat -c %a /tmp/deep/er/file')).toBe('600\n')
    await expect(lab.readFile('/tmp/missing')).rejects.toThrow(/ENOENT/)
  })

  it('shows the checkout read-only at its own path', async () => {
    expect(await lab.check(['cat', inCheckout('package.json')])).toContain('"pointsman"')
    const attempt = await lab.run(['touch', inCheckout('test/written-by-guest')])
    expect(attempt.code).toBe(1)
    expect(attempt.stderr).toContain('Read-only file system')
  })

  it('bundles a TypeScript file and runs it with Node 24, koffi included', async () => {
    const result = await lab.runScript(inCheckout('test/lab/guest/libc-probe.ts'), { args: ['x'], input: 'hello' })
    expect(result.stderr).toBe('')
    expect(JSON.parse(result.stdout)).toEqual({ node: 24, pidAgrees: true, args: ['x'], input: 'hello' })
  })

  it('has a kernel with IPVS', async () => {
    expect(await lab.check('ipvsadm -Ln')).toContain('IP Virtual Server')
    expect(lab.kernel).toBe((await lab.check('uname -r')).trim())
  })
})
