/** The configuration file and the file source, written in every way in which files get written; bad content changes nothing. */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import type { MetricsText } from './support/metrics-text.ts'
import { privateNamespace } from './support/namespace.ts'
import { configurationText, Daemon, freshDirectory } from './support/pointsman.ts'
import { expectTable, waitForTable } from './support/table.ts'

const netns = 'reload'
const directory = freshDirectory('reload')

const parts = new AsyncDisposableStack()
let lab: Lab
let daemon: Daemon

/** What is in force: the weight that the configuration gives to `web`, and the one that the list gives to `pool`. */
const now = { configuration: 1, list: 1 }

const tableNow = (): string => `
  -A -t 10.9.0.1:80 -s rr
  -a -t 10.9.0.1:80 -r 10.9.1.1:8080 -m -w ${now.configuration}
  -A -t 10.9.0.2:80 -s rr
  -a -t 10.9.0.2:80 -r 10.9.1.1:8080 -m -w ${now.list}
`

/** One of the two files: where it lies, how it is written, and how the daemon says that it is bad. */
interface Subject {
  readonly what: keyof typeof now
  readonly path: string
  text(weight: number): string
  isBad(metrics: MetricsText): boolean
  readonly reason: string
}

const mounted = (what: string): string => `${directory}/${what}`

const subjects: readonly Subject[] = [
  {
    what: 'configuration',
    path: `${mounted('configuration')}/pointsman.yaml`,
    text: (weight) =>
      configurationText(
        directory,
        [
          { name: 'web', listen: '10.9.0.1:80', scheduler: 'rr', backends: [{ address: '10.9.1.1:8080', weight }] },
          {
            name: 'pool',
            listen: '10.9.0.2:80',
            scheduler: 'rr',
            source: { file: { path: `${mounted('list')}/pool.yaml` } },
            debounce: { min: '50ms', max: '200ms' },
          },
        ],
        // No resync comes to the help of what a new file or a signal should bring about.
        { global: { resync_interval: '1h' } },
      ),
    isBad: (metrics) => metrics.one('pointsman_config_last_load_successful') === 0,
    reason: 'config-rejected',
  },
  {
    what: 'list',
    path: `${mounted('list')}/pool.yaml`,
    text: (weight) => `- address: 10.9.1.1:8080\n  weight: ${weight}\n`,
    isBad: (metrics) => metrics.one('pointsman_source_up', { service: 'pool' }) === 0,
    reason: 'source-failing',
  },
]

/** As the kubelet mounts a ConfigMap: the file is a link into `..data`, which is a link that is swapped by rename. */
async function swapConfigMap(subject: Subject, content: string, round: string): Promise<void> {
  const folder = mounted(subject.what)
  const file = subject.path.slice(folder.length + 1)
  await lab.writeFile(`${folder}/..${round}/${file}`, content)
  const swap = `ln -sfn ..${round} ..data_tmp && mv -T ..data_tmp ..data && ln -sfn ..data/${file} ${file}`
  await lab.check(`cd ${folder} && ${swap} && for old in ..[0-9]*; do [ $old = ..${round} ] || rm -r $old; done`)
}

const inPlace = (path: string, content: string): Promise<string> => lab.check(['sh', '-c', 'cat >"$0"', path], { input: content })

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  for (const subject of subjects) await swapConfigMap(subject, subject.text(1), '1')
  daemon = parts.use(await Daemon.start(lab, directory, { netns, configPath: subjects[0]?.path ?? '' }))
  await expectTable(lab, tableNow(), { netns })
})
afterAll(() => parts.disposeAsync())

describe.each(subjects)('the $what', (subject) => {
  /** A new content, written in this way, is in the kernel soon. */
  async function takes(weight: number, write: (content: string) => Promise<unknown>): Promise<void> {
    await write(subject.text(weight))
    now[subject.what] = weight
    await waitForTable(lab, tableNow(), { netns })
    const metrics = await daemon.waitForMetrics((candidate) => !subject.isBad(candidate), 'the file counts as good')
    expect(metrics.one('pointsman_degraded', { reason: subject.reason })).toBe(0)
  }

  /** Something that cannot be used changes nothing and is said: in the log, in the metrics and in /readyz. */
  async function refuses(spoil: () => Promise<unknown>, sentence: RegExp): Promise<void> {
    const from = daemon.log.length
    const before = await daemon.metrics()
    await spoil()
    await daemon.waitForLog(({ level, msg }) => /warn|error/.test(level) && sentence.test(msg), 30_000, from)
    const metrics = await daemon.waitForMetrics((candidate) => subject.isBad(candidate), 'the file counts as bad')
    expect(metrics.one('pointsman_degraded', { reason: subject.reason })).toBe(1)
    const health = await daemon.health('/readyz')
    expect(health).toMatchObject({ code: 200, body: { status: 'degraded' } })
    expect(JSON.stringify(health.body)).toContain(subject.reason)
    expect(metrics.changes).toBe(before.changes)
    await expectTable(lab, tableNow(), { netns })
  }

  it('swapped like a ConfigMap takes effect, again and again', async () => {
    await takes(2, (content) => swapConfigMap(subject, content, '2'))
    await takes(3, (content) => swapConfigMap(subject, content, '3'))
  })

  it('renamed into place takes effect, also in the place of a link', async () => {
    await takes(4, (content) => lab.writeFile(subject.path, content))
    await takes(5, (content) => lab.writeFile(subject.path, content))
  })

  it('written in place takes effect', async () => {
    await takes(6, (content) => inPlace(subject.path, content))
  })

  it('deleted keeps what was, and returned takes effect', async () => {
    await refuses(() => lab.check(['rm', subject.path]), /gone|no such file/)
    await takes(7, (content) => inPlace(subject.path, content))
  })

  it('half-written keeps what was, until the other half is there', async () => {
    const content = subject.text(8)
    const half = content.slice(0, Math.floor(content.length / 2))
    await refuses(() => inPlace(subject.path, `${half}\n  "`), /pointsman\.yaml|pool\.yaml/)
    await takes(8, (whole) => inPlace(subject.path, whole))
  })

  it('that is no YAML, empty, or binary keeps what was', async () => {
    await refuses(() => lab.writeFile(subject.path, 'services: [\n\t- : }'), /that opens here is not closed/)
    await takes(9, (content) => lab.writeFile(subject.path, content))
    await refuses(() => inPlace(subject.path, ''), /empty/)
    await takes(10, (content) => inPlace(subject.path, content))
    await refuses(() => lab.check(`head -c 4096 /dev/urandom >${subject.path}`), /binary|UTF-8|text/)
    await takes(11, (content) => lab.writeFile(subject.path, content))
  })

  it('of 50 MB is not even read', async () => {
    await refuses(() => lab.check(`truncate -s 50000000 ${subject.path}`), /50000000 bytes/)
    await takes(12, (content) => lab.writeFile(subject.path, content))
  })

  it('that is YAML and wrong names the place', async () => {
    await refuses(() => lab.writeFile(subject.path, subject.text(65536)), /:\d+:\d+: .*65536 is above 65535/)
    await takes(13, (content) => lab.writeFile(subject.path, content))
  })
})

describe('SIGHUP', () => {
  it('reads the file again and repairs the table at once', async () => {
    const from = daemon.log.length
    await lab.check(['ipvsadm', '-e', '-t', '10.9.0.1:80', '-r', '10.9.1.1:8080', '-m', '-w', '99'], { netns })
    daemon.process.kill('SIGHUP')
    await daemon.waitForLog(({ msg }) => msg === 'the configuration says what it said before', 30_000, from)
    await waitForTable(lab, tableNow(), { netns })
  })

  it('says again that a bad file is bad', async () => {
    const [configuration] = subjects as [Subject]
    await lab.writeFile(configuration.path, 'services: 7\n')
    await daemon.waitForMetrics((metrics) => configuration.isBad(metrics), 'the file counts as bad')
    await setTimeout(500)
    const from = daemon.log.length
    daemon.process.kill('SIGHUP')
    await daemon.waitForLog(({ level, msg }) => level === 'error' && /write a list of services/.test(msg), 30_000, from)
    await expectTable(lab, tableNow(), { netns })
  })
})
