// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how parameters are written
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type DaemonRig, freePort, startDaemon, temporaryDirectory } from './rig.ts'

const until = <T>(get: () => T) => expect.poll(get, { interval: 5, timeout: 20_000 })
const text = (rig: DaemonRig) => rig.log.map((line) => JSON.stringify(line)).join('\n')
const SERVICE = 'debounce: { min: 0s, max: 0s }, health_check: { type: none }'

test('a daemon runs on what its files and parameters say, follows them, and shows none of the values', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'conf.d'))
  const included = (backend: string) =>
    `services:\n  - { name: b, listen: "10.0.0.2:80", ${SERVICE}, backends: ["${backend}:80"] }\n`
  await writeFile(join(directory, 'conf.d/b.yaml'), included('10.0.2.1'))
  await writeFile(join(directory, 'p.yaml'), 'ports: { web: 8080 }\npassword: hunter2hunter2\n')
  const port = await freePort()
  const yaml = (weight: string) => `
global: { state_dir: "${directory}/state", watch_settle: 10ms, on_exit: "\${env.EXIT}" }
include: [conf.d/*.yaml]
parameters: { files: [p.yaml] }
services:
  - name: a
    listen: 10.0.0.1:80
    debounce: { min: 0s, max: 0s }
    health_check: { type: none }
    source: { http: { url: "http://127.0.0.1:${port}/\${password}/list?token=\${env.TOKEN}", timeout: 100ms } }
    backends: [{ address: "10.0.1.1:\${ports.web}", weight: "${weight}" }]
`
  const environment = { EXIT: 'keep', WEIGHT: '7', BAD: 'tok3ntok3n', TOKEN: 'tok3ntok3n' }
  const journal = join(directory, 'journal')
  const rig = await startDaemon(() => yaml('${env.WEIGHT}'), { directory, overrides: { environment }, journal })
  const kernel = rig.host.kernel
  await until(() => kernel.destination('tcp/10.0.0.1:80' as never, '10.0.1.1:8080' as never)?.weight).toBe(7)
  await until(() => kernel.destination('tcp/10.0.0.2:80' as never, '10.0.2.1:80' as never)?.weight).toBe(1)
  await until(() => text(rig)).toContain('/${password}/list?token=***')

  await writeFile(join(directory, 'conf.d/b.yaml'), included('10.0.2.2'))
  await until(() => kernel.destination('tcp/10.0.0.2:80' as never, '10.0.2.2:80' as never)?.weight).toBe(1)

  await rig.reconfigure(yaml('${env.BAD}'))
  await until(() => text(rig)).toContain('what ${env.BAD} stands for does not fit here')
  expect(kernel.destination('tcp/10.0.0.1:80' as never, '10.0.1.1:8080' as never)?.weight).toBe(7)

  await writeFile(join(directory, 'p.yaml'), 'ports: { web: 8080 }\npassword: *hunter2hunter2\n')
  await until(() => text(rig)).toContain('p.yaml:2:11: this is not YAML or JSON')

  await rig.stop()
  expect(text(rig)).not.toMatch(/hunter2|tok3n/)
  const written = await readFile(journal, 'utf8')
  expect(written).toContain('${password}')
  expect(written).not.toMatch(/hunter2|tok3n/)
}, 60_000)
