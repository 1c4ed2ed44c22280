import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'
import { command } from './command.ts'
import { type DaemonRig, startDaemon, temporaryDirectory, yamlOf } from './rig.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const until = (look: () => unknown) => expect.poll(look, { interval: 10, timeout: 4_000 })

/** A daemon whose list has just become empty. */
async function emptied(): Promise<DaemonRig> {
  const directory = await temporaryDirectory()
  const list = join(directory, 'web.yaml')
  await writeFile(list, '[10.0.1.1:80, 10.0.1.2:80]')
  const rig = await startDaemon(
    (d, port) =>
      yamlOf(
        d,
        port,
        `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, drain: { timeout: 0s }, source: { file: { path: ${list} } } }`,
      ),
    { directory },
  )
  await until(() => rig.host.kernel.destination(WEB, key('10.0.1.2:80'))?.weight).toBe(1)
  await writeFile(list, '[]')
  await until(() => rig.log.some(({ msg }) => msg.includes('2 removals held'))).toBe(true)
  return rig
}

describe('pointsman approve', () => {
  test('lets go what is held, says what, and finds nothing the second time', async () => {
    const rig = await emptied()
    const stateDir = join(rig.directory, 'state')
    expect(rig.host.kernel.destination(WEB, key('10.0.1.1:80'))?.weight).toBe(1)
    expect(JSON.parse((await rig.fetch('/readyz')).text).reasons).toEqual([
      {
        reason: 'removals-held',
        message: `Removals held for web, by file ${rig.directory}/web.yaml: 2; pointsman approve web lets them go.`,
      },
    ])
    const families = parseExposition((await rig.fetch('/metrics')).text)
    expect(sampleOf(families, 'pointsman_source_held_removals')).toBe(2)
    expect(sampleOf(families, 'pointsman_source_updates_total')).toBe(2)
    expect(await command('approve', 'web', '--state-dir', stateDir)).toEqual({
      code: 0,
      out: '2 removals are let go from web: 10.0.1.1:80, 10.0.1.2:80\n',
      err: '',
    })
    await until(() => rig.host.kernel.destination(WEB, key('10.0.1.1:80'))).toBeUndefined()
    expect(rig.log.find(({ msg }) => msg.includes('let go by the operator'))).toMatchObject({ level: 'info', service: 'web' })
    expect(await command('approve', '--json', 'web', '--state-dir', stateDir)).toEqual({
      code: 46,
      out: '{"error":{"code":"NOTHING_HELD","message":"Nothing is held of service web: there is nothing to approve.","exit":46}}\n',
      err: 'pointsman: Nothing is held of service web: there is nothing to approve.\n',
    })
    expect(await command('approve', 'wep', '--state-dir', stateDir)).toMatchObject({
      code: 33,
      err: 'pointsman: There is no service named "wep"; did you mean web?\n',
    })
  })

  test('says so when no daemon runs, and when no service is named', async () => {
    const { code, err } = await command('approve', 'web', '--state-dir', await temporaryDirectory())
    expect(code).toBe(45)
    expect(err).toMatch(/^pointsman: No daemon answers at \S*admin\S*\.sock/)
    expect(await command('approve')).toMatchObject({ code: 2 })
  })

  test('prints JSON for programs', async () => {
    const rig = await emptied()
    const { code, out } = await command('approve', 'web', '--json', '--state-dir', join(rig.directory, 'state'))
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({ service: 'web', approved: ['10.0.1.1:80', '10.0.1.2:80'] })
  })
})

test('without approval a removal goes once regular looks at the list have repeated it for the window', async () => {
  const directory = await temporaryDirectory()
  const list = join(directory, 'web.yaml')
  const of = (count: number) => `[${Array.from({ length: count }, (_, index) => `10.0.1.${index + 1}:80`).join(', ')}]`
  await writeFile(list, of(10))
  const service = `\n  - { name: web, listen: 10.0.0.1:80, debounce: { min: 0s, max: 0s }, drain: { timeout: 0s }, guard: { window: 2s }, source: { file: { path: ${list} } } }`
  const rig = await startDaemon((d, port) => yamlOf(d, port, service, 'watch_poll: 1s'), { directory })
  await until(() => rig.host.kernel.destination(WEB, key('10.0.1.10:80'))?.weight).toBe(1)
  await writeFile(list, of(5))
  await until(() => rig.log.some(({ msg }) => msg.includes('2 removals held'))).toBe(true)
  expect(rig.host.kernel.destination(WEB, key('10.0.1.10:80'))?.weight).toBe(1)
  await until(() => rig.log.some(({ msg }) => msg.includes('let go: fresh answers have repeated it'))).toBe(true)
  await until(() => rig.host.kernel.destination(WEB, key('10.0.1.10:80'))).toBeUndefined()
  expect(rig.host.kernel.destination(WEB, key('10.0.1.5:80'))?.weight).toBe(1)
})
