// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
/** Examples of the documentation that are run from a checkout, word for word, and the messages that docs/configuration.md shows. */

import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blockOf, examplesOf } from '../support/doc-examples.ts'
import { BundledProgram } from './bundled-program.ts'

/** Milliseconds: labs are opened, and programs bundled for them. */
const PATIENCE = 300_000

interface Ended {
  readonly code: unknown
  readonly out: string
  readonly err: string
}

/** Lines of one shell, with the Node that runs these tests; a lab is of this machine's own kernel, which is quickly there. */
function shell(script: string): Promise<Ended> {
  const env = { ...process.env, LAB_MODE: 'host', PATH: `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin` }
  return new Promise((resolve) => {
    // Jobs, as a terminal has them, without a terminal.
    const child = execFile('bash', ['-c', `set -m\n${script}`], { env, timeout: PATIENCE }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    )
    child.stdin?.end()
  })
}

const linesOf = (page: string, begins: RegExp) =>
  examplesOf(page)
    .map(({ command }) => command)
    .filter((command) => begins.test(command))

/** What ipvsadm says, as this machine's kernel has IPVS or not. */
const TABLE_OR_NONE = /IP Virtual Server version|Can't initialize ipvs/

describe('docs/lab.md', () => {
  test('a lab for one command', { timeout: PATIENCE }, async () => {
    const [table = '', two = '', script = ''] = linesOf('docs/lab.md', /shell\.ts -- /)
    const listed = await shell(table)
    expect(listed.out + listed.err).toMatch(TABLE_OR_NONE)
    const both = await shell(two)
    expect(both.out).toMatch(/^1: lo: /m)
    expect(both.out + both.err).toMatch(TABLE_OR_NONE)
    const ran = await shell(script)
    expect({ ...JSON.parse(ran.out), code: ran.code }).toMatchObject({ code: 0, node: 24, args: ['x'] })
  })

  test('a lab that stays', { timeout: PATIENCE }, async () => {
    const [keep = '', attach = ''] = linesOf('docs/lab.md', /--keep|--attach/)
    const { out } = await shell(`${keep}\nuntil ${attach.replace(/#.*/, '')} 2>/dev/null; do sleep 0.5; done\nkill %1; wait`)
    expect(out).toMatch(/^kernel \S+ \(host\) is up/)
    expect(out.trim().split('\n').at(-1)).toMatch(/^\d+\.\d+/)
  })
})

describe('CONTRIBUTING.md', () => {
  test('the lab with a name', { timeout: PATIENCE }, async () => {
    const [keep = '', table = '', script = '', kill = ''] = linesOf('CONTRIBUTING.md', /shell\.ts|^kill/)
    const up = 'until node test/lab/shell.ts --name mine --attach -- true 2>/dev/null; do sleep 0.5; done'
    const { out, err } = await shell(`${keep}\n${up}\n${table}\n${script}\n${kill}\nwait`)
    expect(out + err).toMatch(TABLE_OR_NONE)
    expect(out).toMatch(/^\{"node":24,.*"args":\["x"\]/m)
  })

  test('the program out of its sources', { timeout: PATIENCE }, async () => {
    const [plan = ''] = linesOf('CONTRIBUTING.md', /^node src\/main\.ts/)
    const { code, err } = await shell(plan)
    // Where the kernel has IPVS something would change; elsewhere it says that it has none.
    expect({ code, err }).toEqual({ code: expect.toBeOneOf([10, 20]), err: expect.not.stringMatching(/^\s+at /m) })
  })
})

describe('docs/configuration.md', () => {
  let bundled: BundledProgram
  beforeAll(async () => {
    bundled = await BundledProgram.make()
  })
  afterAll(() => bundled[Symbol.asyncDispose]())

  const A_AND_B = `services:
  - { name: a, listen: 10.0.0.1:80, backends: [] }
  - { name: b, listen: 10.0.0.2:80, backends: [] }
  # A service
  # of
  # the
  # third
  # number:
  - name: c
    listen: 10.0.0.3:80
    backends:
`

  test.each([
    ['pointsman.yaml:12', { 'pointsman.yaml': `${A_AND_B}      - { address: 10.1.0.1:80, weight: 70000 }\n` }],
    ['pointsman.yaml:4', { 'pointsman.yaml': 'services:\n  -\n    name: web\n    listen: ${env.VIP}:80\n    backends: []\n' }],
    [
      'conf.d/b.yaml',
      {
        'pointsman.yaml': 'include: [conf.d/*.yaml]\nservices: []\n',
        'conf.d/a.yaml': 'services:\n  - name: web\n    listen: 10.0.0.1:80\n    backends: []\n',
        'conf.d/b.yaml': 'services:\n  - name: web\n    listen: 10.0.0.2:80\n    backends: []\n',
      },
    ],
  ])('the message about %s', async (begins, files: Readonly<Record<string, string>>) => {
    const folder = begins.replaceAll(/\W/g, '-')
    for (const [name, content] of Object.entries(files)) await bundled.file(`${folder}/${name}`, content)
    const { code, err } = await bundled.run(['validate', '-c', `${bundled.directory}/${folder}/pointsman.yaml`])
    expect(code).toBe(32)
    expect(err.replaceAll(`${bundled.directory}/${folder}/`, '')).toContain(blockOf('docs/configuration.md', 'text', begins))
  })
})
