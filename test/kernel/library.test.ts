/** The library as a package has it, on a real table, with ipvsadm as witness; its two examples as users run them. */

import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inCheckout, type Lab, type RunResult } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { clearTable, expectTable, ipvsadm, restore } from './support/table.ts'

const netns = 'library'
const home = '/run/lab/library'

const parts = new AsyncDisposableStack()
let lab: Lab
let directory: string

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  const built = mkdtempSync(join(tmpdir(), 'pointsman-library-'))
  parts.defer(() => rmSync(built, { recursive: true }))
  await promisify(execFile)(process.execPath, [inCheckout('tools/library.mjs'), built])
  const installed = `${home}/node_modules/pointsman`
  await lab.check(`mkdir -p ${installed}/dist/library && ln -sfn ${inCheckout('node_modules')}/koffi ${home}/node_modules/koffi`)
  await lab.writeFile(`${installed}/package.json`, readFileSync(inCheckout('package.json')))
  for (const name of readdirSync(built).filter((each) => each.endsWith('.mjs')))
    await lab.writeFile(`${installed}/dist/library/${name}`, readFileSync(join(built, name)))
  await lab.writeFile(`${home}/package.json`, '{ "type": "module" }')
  for (const example of ['table-diff.ts', 'reconcile.ts'])
    await lab.writeFile(`${home}/${example}`, readFileSync(inCheckout(`examples/${example}`)))
})
afterAll(() => parts.disposeAsync())

beforeEach(async () => {
  directory = freshDirectory('library')
  await clearTable(lab, { netns })
})

const run = (...args: readonly string[]): Promise<RunResult> =>
  lab.run(['node', ...args.map((each) => (each.endsWith('.ts') ? `${home}/${each}` : each))], { netns, timeoutMs: 120_000 })

const LISTEN = '10.9.0.1:80'

async function listed(...backends: readonly object[]): Promise<string> {
  const path = `${directory}/backends.json`
  await lab.writeFile(path, JSON.stringify(backends))
  return path
}

const once = async (list: string): Promise<RunResult> => run('reconcile.ts', list, LISTEN, `${directory}/state`, '--once')

describe('the examples', () => {
  it('reconcile what a list says: add, change, remove, beside what is foreign; the record is what knows', async () => {
    await restore(lab, '-A -t 10.9.0.7:80 -s rr\n-a -t 10.9.0.7:80 -r 10.9.1.7:80 -m -w 7', { netns })
    const foreign = '-A -t 10.9.0.7:80 -s rr\n-a -t 10.9.0.7:80 -r 10.9.1.7:80 -m -w 7'
    const first = await once(await listed({ address: '10.9.1.1:8080', weight: 5 }, { address: '10.9.1.2:8080', weight: 3 }))
    expect(first).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('3 changes, 0 draining') })
    await expectTable(
      lab,
      `${foreign}
      -A -t 10.9.0.1:80 -s wrr
      -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 5
      -a -t 10.9.0.1:80 -r 10.9.1.2:8080 -m -w 3`,
      { netns },
    )
    // Another process: what it removes it knows by the record of the first, and a stranger in the service stays.
    await ipvsadm(lab, '-a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 9', { netns })
    const second = await once(await listed({ address: '10.9.1.1:8080', weight: 6 }))
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).toMatch(/done: edit-destination of web[\s\S]*2 changes, 0 draining/)
    await expectTable(
      lab,
      `${foreign}
      -A -t 10.9.0.1:80 -s wrr
      -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w 6
      -a -t 10.9.0.1:80 -r 10.9.1.9:8080 -m -w 9`,
      { netns },
    )
    expect((await once(await listed({ address: '10.9.1.1:8080', weight: 6 }))).stdout).toBe('0 changes, 0 draining\n')
  })

  it('print the difference of a table and a configuration, and change nothing', async () => {
    await restore(lab, '-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 1\n-A -u 10.9.0.2:53 -s rr', { netns })
    const configuration = `${directory}/pointsman.yaml`
    const backends = ['10.9.1.2:80', { address: '10.9.1.1:80', weight: 4 }]
    await lab.writeFile(
      configuration,
      JSON.stringify({ services: [{ name: 'web', listen: LISTEN, scheduler: 'wrr', backends }] }),
    )
    const { code, stdout, stderr } = await run('table-diff.ts', configuration)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.trim().split('\n')).toEqual([
      '+ tcp/10.9.0.1:80 10.9.1.2:80 weight 1',
      '~ tcp/10.9.0.1:80 rr -> wrr',
      '~ tcp/10.9.0.1:80 10.9.1.1:80 weight 1 -> 4',
      '3 differences; 1 objects are foreign and stay.',
    ])
    await expectTable(lab, '-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.1.1:80 -m -w 1\n-A -u 10.9.0.2:53 -s rr', {
      netns,
    })
  })
})

describe('one writer', () => {
  it('the library cannot write beside a daemon, and reads beside it; no daemon starts beside a library that writes', async () => {
    const services = [{ name: 'web', listen: LISTEN, scheduler: 'rr', backends: ['10.9.1.1:80'] }]
    await using daemon = await Daemon.start(lab, directory, { netns, configuration: configurationText(directory, services) })
    const refused = await once(await listed({ address: '10.9.1.2:8080' }))
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/is written by process \d+ \(pointsman start\)/)
    const diff = await run('table-diff.ts', daemon.configPath)
    expect(diff).toMatchObject({ code: 0, stdout: '0 differences; 0 objects are foreign and stay.\n' })
    await daemon.stop()

    const script = `${home}/holds.mjs`
    await lab.writeFile(
      script,
      `import { openIpvs } from 'pointsman'
       await using ipvs = await openIpvs({ access: 'write' })
       console.log('held')
       await new Promise((resolve) => process.stdin.once('data', resolve))
       process.stdin.destroy()
       console.log((await ipvs.readTable()).size)`,
    )
    const holder = lab.spawn(['node', script], { netns, keepInput: true })
    await holder.waitForLine((line) => line === 'held')
    const late = await lab.run(['node', `${home}/holds.mjs`], { netns, timeoutMs: 60_000, input: 'x\n' })
    expect(late.stderr).toMatch(/is written by process \d+ \(pointsman library\)/)
    holder.write('go on\n')
    expect((await holder.exited).code).toBe(0)
    expect(holder.stdout.trim().split('\n')).toEqual(['held', '1'])
  })
})
