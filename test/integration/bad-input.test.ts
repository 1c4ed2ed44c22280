/** Everything that a person may get wrong in a configuration, through the two commands that read one. */

import { execFile } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'pointsman-bad-input-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function pointsman(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'] }
    execFile(process.execPath, [main, ...args], { env: environment, timeout: 50_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
    )
  })
}

/** A configuration of one service, with pieces of it replaced. */
function service({
  listen = '10.0.0.1:80',
  backend = '10.0.1.1:8080',
  weight = '1',
  more = '',
  global = 'log_level: info',
}): string {
  return `global:
  ${global}
services:
  - name: web
    listen: ${listen}
    backends:
      - address: "${backend}"
        weight: ${weight}
${more}`
}

interface BadInput {
  readonly what: string
  readonly content: string | Uint8Array
  /** Each of these is one issue: its place in the file, and words of its sentence. */
  readonly issues: readonly { readonly at: string; readonly says: RegExp }[]
}

const portRemedy = /write a port from 1 to 65535/

const badInputs: readonly BadInput[] = [
  { what: 'port 0', content: service({ listen: '10.0.0.1:0' }), issues: [{ at: '5:13', says: /port 0/ }] },
  { what: 'port 65536', content: service({ listen: '10.0.0.1:65536' }), issues: [{ at: '5:13', says: portRemedy }] },
  { what: 'port http', content: service({ listen: '10.0.0.1:http' }), issues: [{ at: '5:13', says: portRemedy }] },
  { what: 'a backend at port 0', content: service({ backend: '10.0.1.1:0' }), issues: [{ at: '7:18', says: /port 0/ }] },
  {
    what: 'a backend at port 65536',
    content: service({ backend: '10.0.1.1:65536' }),
    issues: [{ at: '7:18', says: portRemedy }],
  },
  {
    what: 'a hostname to listen on',
    content: service({ listen: 'web.example:80' }),
    issues: [{ at: '5:13', says: /"web\.example" is a name where an address is due; write the IP address/ }],
  },
  {
    what: 'a hostname as a backend',
    content: service({ backend: 'web1.example:8080' }),
    issues: [{ at: '7:18', says: /"web1\.example" is a name where an address is due/ }],
  },
  {
    what: 'one IPv6 service written in three ways',
    content: `services:
  - { name: one, listen: "[2001:db8::1]:80", backends: [] }
  - { name: two, listen: "[2001:DB8:0:0:0:0:0:1]:80", backends: [] }
  - { name: three, listen: "[2001:0db8::0001]:80", backends: [] }
`,
    issues: [
      { at: '3:26', says: /\[2001:db8::1\]:80/ },
      { at: '4:28', says: /\[2001:db8::1\]:80/ },
    ],
  },
  {
    what: 'one IPv6 backend written in three ways',
    content: `services:
  - name: web
    listen: "[2001:db8::1]:80"
    backends:
      - address: "[2001:db8::2]:80"
      - address: "[2001:DB8:0:0:0:0:0:2]:80"
      - address: "[2001:0db8::0002]:80"
`,
    issues: [
      { at: '6:18', says: /\[2001:db8::2\]:80/ },
      { at: '7:18', says: /\[2001:db8::2\]:80/ },
    ],
  },
  {
    what: 'an unknown key',
    content: service({ more: '    schedular: rr\n' }),
    issues: [{ at: '9:5', says: /schedular is not known here; .*scheduler/ }],
  },
  {
    what: 'an unknown scheduler',
    content: service({ more: '    scheduler: wrrr\n' }),
    issues: [{ at: '9:16', says: /"wrrr" is not known; did you mean wrr\?/ }],
  },
  {
    what: 'text where a list is due',
    content: service({ more: '' }).replace(/backends:[\s\S]*/, 'backends: all\n'),
    issues: [{ at: '6:15', says: /list/ }],
  },
  {
    what: 'text where a number is due',
    content: service({ weight: 'heavy' }),
    issues: [{ at: '8:17', says: /weight from 0 to 65535/ }],
  },
  {
    what: 'a number where text is due',
    content: service({}).replace('name: web', 'name: 7'),
    issues: [{ at: '4:11', says: /quotes: "7"/ }],
  },
  {
    what: 'a mapping where a list is due',
    content: 'services:\n  web: 1\n',
    issues: [{ at: '2:3', says: /write a list of services/ }],
  },
  {
    what: 'a negative duration',
    content: service({ more: '    drain: { timeout: -5s }\n' }),
    issues: [{ at: '9:23', says: /-5s is negative; write a duration/ }],
  },
  {
    what: 'a negative interval',
    content: service({ global: 'resync_interval: -1s' }),
    issues: [{ at: '2:20', says: /-1s is negative; write a duration from 1s/ }],
  },
  {
    what: 'a zero interval',
    content: service({ global: 'resync_interval: 0s' }),
    issues: [{ at: '2:20', says: /0s is below 1s; write a duration from 1s/ }],
  },
  {
    what: 'a duration without unit',
    content: service({ global: 'resync_interval: 30' }),
    issues: [{ at: '2:20', says: /write 30s/ }],
  },
  {
    what: 'weight 65536',
    content: service({ weight: '65536' }),
    issues: [{ at: '8:17', says: /65536 is above 65535; write a weight/ }],
  },
  { what: 'weight -1', content: service({ weight: '-1' }), issues: [{ at: '8:17', says: /-1 is below 0; write a weight/ }] },
  {
    what: 'a file indented with tabs',
    content: 'services:\n\t- name: web\n\t  listen: 10.0.0.1:80\n',
    issues: [
      { at: '2:1', says: /indented with a tab; indent with spaces/ },
      { at: '3:1', says: /indented with a tab; indent with spaces/ },
    ],
  },
  { what: 'an empty file', content: '', issues: [{ at: '1:1', says: /the file is empty/ }] },
  { what: 'a file of comments', content: '# nothing yet\n', issues: [{ at: '1:1', says: /the file is empty/ }] },
  {
    what: 'several faults at once',
    content: service({ listen: '10.0.0.1:65536', weight: '-1', more: '    schedular: rr\n' }),
    issues: [
      { at: '5:13', says: portRemedy },
      { at: '8:17', says: /-1 is below 0/ },
      { at: '9:5', says: /schedular/ },
    ],
  },
]

/** The lines of the message that begin with the file's name: one for each issue. The others are excerpts of the file. */
function issueLines(stderr: string, file: string): string[] {
  return stderr.split('\n').filter((line) => line.startsWith(`${file}:`))
}

function expectOneSentenceEach(ended: Ended, file: string, bad: BadInput): void {
  expect(ended.code).toBe(32)
  expect(ended.stdout).toBe('')
  expect(ended.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  const lines = issueLines(ended.stderr, file)
  expect(lines).toHaveLength(bad.issues.length)
  for (const [index, { at, says }] of bad.issues.entries()) {
    expect(lines[index]).toMatch(says)
    // What is wrong; what to write instead: one sentence without a full stop.
    expect(lines[index]).toMatch(/^[^;]+; .*[^.;]$/)
    expect(lines[index]?.slice(file.length + 1)).toMatch(new RegExp(`^${at}: `))
  }
}

/** Both commands on one file; `start` must not get as far as making its state directory. */
async function validateAndStart(file: string): Promise<readonly [Ended, Ended]> {
  const state = `${file}.state`
  const both = await Promise.all([pointsman('validate', '-c', file), pointsman('start', '-c', file, '--state-dir', state)])
  expect(existsSync(state)).toBe(false)
  return both
}

describe('a configuration that cannot be right', () => {
  it.each(badInputs.map((bad) => [bad.what, bad] as const))('%s', async (_, bad) => {
    const file = join(directory, `${bad.what.replaceAll(' ', '-')}.yaml`)
    writeFileSync(file, bad.content)
    for (const ended of await validateAndStart(file)) expectOneSentenceEach(ended, file, bad)
  })

  it('a binary file', async () => {
    const file = join(directory, 'binary.yaml')
    writeFileSync(
      file,
      Uint8Array.from({ length: 4096 }, (_, index) => (index * 7919) % 256),
    )
    for (const ended of await validateAndStart(file)) {
      expect(ended).toMatchObject({ code: 32, stdout: '' })
      expect(issueLines(ended.stderr, file)).toHaveLength(1)
      expect(ended.stderr).toMatch(/binary|not text|UTF-8/)
    }
  })

  it('a file of 50 MB', async () => {
    const file = join(directory, 'large.yaml')
    const descriptor = openSync(file, 'w')
    ftruncateSync(descriptor, 50_000_000)
    closeSync(descriptor)
    for (const ended of await validateAndStart(file)) {
      expect(ended.code).toBe(30)
      expect(ended.stdout).toBe('')
      expect(ended.stderr).toMatch(/50000000 bytes, more than the \d+ .* that are read; split it/)
    }
  })

  it.each([
    ['a file that is not there', 'missing.yaml', /there is no such file; check the path, or create the file/],
    ['a directory', '.', /is a directory|not a regular file/],
  ])('%s', async (_, name, says) => {
    const file = join(directory, name)
    for (const command of ['validate', 'start']) {
      const ended = await pointsman(command, '-c', file)
      expect(ended).toMatchObject({ code: 30, stdout: '' })
      expect(ended.stderr.trim().split('\n')).toHaveLength(1)
      expect(ended.stderr).toMatch(says)
    }
  })
})

describe('what is right beside it', () => {
  it('is found valid, so that the refusals above mean something', async () => {
    const file = join(directory, 'good.yaml')
    writeFileSync(file, service({}))
    expect(await pointsman('validate', '-c', file)).toMatchObject({ code: 0, stderr: '' })
  })
})
