import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Backend } from '../../../../src/model/backend.ts'
import type { DestinationKey } from '../../../../src/model/destination.ts'
import type { Operational } from '../../../../src/model/operational.ts'
import { openJournal } from '../../../../src/store/journal.ts'
import { endpoint } from '../../../support/desired.ts'
import { blockOf } from '../../../support/doc-examples.ts'
import { Bench, bench, web } from '../../pipeline/bench.ts'
import { file, fresh, identity, key, spec, stale, tcpCheck } from '../../pipeline/makers.ts'
import { command } from '../command.ts'
import { temporaryDirectory } from '../rig.ts'
import { configured, history, lived } from './histories.ts'
import { BUILD, linesIn, replayed, weightsIn, weightsOf, written } from './support.ts'

const HELD = { maxRemoval: 34, window: 60_000, onEmpty: 'hold' } as const

async function journalOf(made: Bench, began = 0): Promise<string> {
  const path = join(await temporaryDirectory(), 'journal')
  await writeFile(path, written(made.turns, began))
  return path
}

function listed(text: string): Backend {
  const { address, port } = endpoint(text)
  return { address, port }
}

function found(number: number, health: 'up' | 'down'): readonly [DestinationKey, Operational] {
  const wrong = health === 'down' ? { failure: 'refused' as const, message: 'nobody listens' } : {}
  return [key(number), { health, since: 1_500, turns: 1, ...wrong }]
}

/** A source with three members fails, and comes back with nobody; the probes find one of them down; the operator approves. */
function incident(more: Parameters<typeof spec>[0] = {}): Bench {
  const made = bench(spec({ sources: [file()], checks: [tcpCheck], ...more }))
  const at = (time: number, happens: () => void) => {
    made.until(time)
    happens()
  }
  at(1_000, () => made.say(fresh([1, 2, 3], { at: 1_000 })))
  at(1_500, () => made.operational$.next({ service: web, found: new Map([found(1, 'up'), found(2, 'up'), found(3, 'down')]) }))
  at(10_000, () => made.say(stale([1, 2, 3])))
  at(60_000, () => made.say(fresh([], { at: 60_000 })))
  at(70_000, () => made.approve$.next(web))
  at(80_000, () => made.kernel$.next({ expiresQuiescentTemplates: false }))
  made.stop()
  return made
}

describe('pointsman replay', () => {
  it('tells every change: whoever follows the lines has the weights of the last desired state; twice the same bytes', async () => {
    const path = join(await temporaryDirectory(), 'journal')
    let lines = 0
    await fc.assert(
      fc.asyncProperty(history, async (happened) => {
        const made = lived(happened)
        await writeFile(path, written(made.turns))
        const first = await replayed(path)
        expect(weightsOf(first)).toEqual(weightsIn(made.updates.at(-1)))
        expect(await replayed(path)).toBe(first)
        lines += linesIn(first).length
      }),
      { numRuns: 50 },
    )
    expect(lines).toBeGreaterThan(300)
  }, 60_000)

  it('under the very configuration that was recorded decides the same', async () => {
    const path = join(await temporaryDirectory(), 'journal')
    await fc.assert(
      fc.asyncProperty(history, async (happened) => {
        // The other service has no health check, so that nothing is ever found of it.
        const steady = happened.filter(([one]) => one.kind !== 'configured' && !('which' in one && one.which === 2))
        await writeFile(path, written(lived(steady, (made) => made.until(made.scheduler.frame)).turns))
        const decisions = (printed: string) => linesIn(printed).filter(({ kind }) => kind !== 'note')
        expect(decisions(await replayed(path, { services: configured(0) }))).toEqual(decisions(await replayed(path)))
      }),
      { numRuns: 30 },
    )
  }, 60_000)

  it('prints decisions for people, and what another configuration makes of the same events', async () => {
    const path = await journalOf(incident())
    const { code, out, err } = await command('replay', path)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatchInlineSnapshot(`
      "1970-01-01T00:00:00.000Z  began: version 0.1.0
      1970-01-01T00:00:01.000Z  web 10.1.0.1:8080: absent -> weight 1 (nothing found by probes yet, and no better backend is known, because service weight 1, because listed by file /lists/web.yaml)
      1970-01-01T00:00:01.000Z  web 10.1.0.2:8080: absent -> weight 1 (nothing found by probes yet, and no better backend is known, because service weight 1, because listed by file /lists/web.yaml)
      1970-01-01T00:00:01.000Z  web 10.1.0.3:8080: absent -> weight 1 (nothing found by probes yet, and no better backend is known, because service weight 1, because listed by file /lists/web.yaml)
      1970-01-01T00:00:01.500Z  web 10.1.0.3:8080: weight 1 -> weight 0 (down: nobody listens, because service weight 1, because listed by file /lists/web.yaml)
      1970-01-01T00:01:00.500Z  web 10.1.0.1:8080: weight 1 -> absent (nobody names it any more)
      1970-01-01T00:01:00.500Z  web 10.1.0.2:8080: weight 1 -> absent (nobody names it any more)
      1970-01-01T00:01:00.500Z  web 10.1.0.3:8080: weight 0 -> absent (nobody names it any more)
      7 decisions out of 9 events, 1970-01-01T00:00:00.000Z to 1970-01-01T00:01:20.000Z
      "
    `)
    const other = `${path}.yaml`
    await writeFile(
      other,
      `services:
  - { name: web, listen: 10.0.0.1:80, weight: 4, source: { file: { path: /lists/web.yaml } }, guard: { on_empty: hold } }
  - { name: api, listen: 10.0.0.3:80, backends: [10.9.0.1:80] }
`,
    )
    const under = await command('replay', path, '-c', other)
    expect(under.code).toBe(0)
    expect(under.out).toMatchInlineSnapshot(`
      "1970-01-01T00:00:00.000Z  began: version 0.1.0
      1970-01-01T00:00:00.000Z  api 10.9.0.1:80: absent -> weight 1 (nothing found by probes yet, and no better backend is known, because service weight 1, because listed by static)
      1970-01-01T00:00:01.000Z  web 10.1.0.1:8080: absent -> weight 4 (nothing found by probes yet, and no better backend is known, because service weight 4, because listed by file /lists/web.yaml)
      1970-01-01T00:00:01.000Z  web 10.1.0.2:8080: absent -> weight 4 (nothing found by probes yet, and no better backend is known, because service weight 4, because listed by file /lists/web.yaml)
      1970-01-01T00:00:01.000Z  web 10.1.0.3:8080: absent -> weight 4 (nothing found by probes yet, and no better backend is known, because service weight 4, because listed by file /lists/web.yaml)
      1970-01-01T00:00:01.500Z  web 10.1.0.3:8080: weight 4 -> weight 0 (down: nobody listens, because service weight 4, because listed by file /lists/web.yaml)
      1970-01-01T00:01:00.000Z  web 10.1.0.1:8080: guard listed -> held (guard: its source names nobody any more)
      1970-01-01T00:01:00.000Z  web 10.1.0.2:8080: guard listed -> held (guard: its source names nobody any more)
      1970-01-01T00:01:00.000Z  web 10.1.0.3:8080: guard listed -> held (guard: its source names nobody any more)
      1970-01-01T00:01:10.000Z  web 10.1.0.1:8080: guard held -> gone (free: let go by the operator or the configuration)
      1970-01-01T00:01:10.000Z  web 10.1.0.2:8080: guard held -> gone (free: let go by the operator or the configuration)
      1970-01-01T00:01:10.000Z  web 10.1.0.3:8080: guard held -> gone (free: let go by the operator or the configuration)
      1970-01-01T00:01:10.500Z  web 10.1.0.1:8080: weight 4 -> absent (nobody names it any more)
      1970-01-01T00:01:10.500Z  web 10.1.0.2:8080: weight 4 -> absent (nobody names it any more)
      1970-01-01T00:01:10.500Z  web 10.1.0.3:8080: weight 0 -> absent (nobody names it any more)
      14 decisions out of 9 events, 1970-01-01T00:00:00.000Z to 1970-01-01T00:01:20.000Z
      "
    `)
    expect(under.err).toMatchInlineSnapshot(`
      "note: service api is in the other configuration alone: nothing was recorded of it
      "
    `)
  })

  it('prints what its page shows', async () => {
    const made = new Bench()
    const source = file('/etc/pointsman/web.yaml')
    const at = (second: number) => Date.UTC(2026, 0, 1, 0, 0, second)
    made.until(at(0))
    made.configure(spec({ sources: [source], guard: HELD }))
    made.until(at(1))
    made.say(fresh([listed('10.0.1.1:80'), listed('10.0.1.2:80')], { at: at(1) }), '/etc/pointsman/web.yaml')
    made.until(at(300))
    made.say(fresh([], { at: at(300) }), '/etc/pointsman/web.yaml')
    made.until(at(360))
    made.approve$.next(web)
    made.until(at(361))
    made.stop()
    expect((await command('replay', await journalOf(made, at(0)))).out).toBe(blockOf('docs/commands/replay.md', 'text'))
  })

  it('knows a service by its name, else by its address, and a source by its name', async () => {
    const path = await journalOf(incident())
    const moved = spec({ identity: identity(7), sources: [file()], guard: HELD, checks: [tcpCheck] })
    expect(weightsOf(await replayed(path, { services: [moved] }))).toEqual({})
    expect(linesIn(await replayed(path, { services: [moved] })).filter(({ kind }) => kind === 'guard')).not.toEqual([])
    const renamed = spec({ name: 'other', sources: [file()], checks: [tcpCheck] })
    const decided = linesIn(await replayed(path, { services: [renamed] }))
    expect(decided.filter(({ kind }) => kind === 'weight').length).toBeGreaterThan(3)
    const elsewhere = spec({ sources: [file('/elsewhere')], checks: [tcpCheck] })
    const notes = linesIn(await replayed(path, { services: [elsewhere] })).flatMap(({ text }) => text ?? [])
    expect(notes).toEqual([
      'source file /lists/web.yaml of web is not in the other configuration',
      'source file /elsewhere of web is in the other configuration alone: it says nothing here',
    ])
    const nobody = linesIn(await replayed(path, { services: [] })).flatMap(({ text }) => text ?? [])
    expect(nobody).toEqual(['service web is not in the other configuration'])
  })

  it('reads what was set aside before, and without it goes on from what was known', async () => {
    const directory = await temporaryDirectory()
    const made = incident({ guard: HELD })
    const [whole, parts] = [join(directory, 'whole'), join(directory, 'parts')]
    for (const [path, limit] of [
      [whole, 1 << 20],
      [parts, 2_000],
    ] as const) {
      const journal = await openJournal({
        path,
        limit,
        build: BUILD,
        onFailure: () => {},
        onLost: () => {},
        onRecovered: () => {},
        now: () => 0,
      })
      for (const turn of made.turns) {
        journal.record(turn)
        await journal.flush()
      }
      await journal[Symbol.asyncDispose]()
    }
    const decided = (printed: string) => linesIn(printed).filter(({ kind }) => kind !== 'began')
    expect((await readFile(`${parts}.1`, 'utf8')).length).toBeGreaterThan(1_900)
    expect(decided(await replayed(parts))).toEqual(decided(await replayed(whole)))
    await rm(`${parts}.1`)
    const rest = await replayed(parts)
    expect(weightsOf(rest)).toEqual(weightsIn(made.updates.at(-1)))
    expect(linesIn(rest).flatMap(({ text }) => text ?? [])).toEqual([
      'the journal goes on in the middle of a run: what was held or waited then is not known',
    ])
  })

  it('says that another version wrote the journal, and is woken on time then', async () => {
    const path = await journalOf(incident())
    const same = linesIn(await replayed(path))
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(/"version":"[^"]*"/, '"version":"0.0.1"').replaceAll(/^.*"do":"wake".*\n/gm, ''))
    const decided = (lines: typeof same) => lines.filter(({ kind }) => !['began', 'note', 'end'].includes(kind))
    const other = linesIn(await replayed(path))
    expect(decided(other)).toEqual(decided(same))
    expect(other.flatMap(({ text }) => text ?? [])).toEqual([
      expect.stringMatching(/^recorded by version 0\.0\.1.*, replayed by .*, which may decide otherwise$/),
    ])
  })

  it('says what is wrong with a journal, after what was decided before', async () => {
    const path = await journalOf(incident())
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    await writeFile(path, `${lines.slice(0, -1).join('\n')}\n{}\n${lines.at(-1)}\n`)
    const { code, out, err } = await command('replay', path)
    expect({ code, err }).toEqual({
      code: 32,
      err: `pointsman: Line ${lines.length} of the journal ${path} is spoilt: cut the file off before it, then what is before can be replayed.\n`,
    })
    expect(out).toContain('absent -> weight 1')
    await writeFile(path, `${lines.join('\n').slice(0, -3)}`)
    const cut = await command('replay', path)
    expect(cut.code).toBe(0)
    expect(cut.err).toBe(`note: line ${lines.length} has no end, as a crash or a full disk leaves it: it is left out\n`)
  })

  it.each([
    [['replay'], 2, /missing required argument 'file'/],
    [['replay', '/not/there'], 30, /^pointsman: The journal \/not\/there cannot be read \(ENOENT\)/],
    [['replay', '/tmp'], 30, /\(EISDIR\)/],
    [['replay', '-', '-c', '-'], 33, /^pointsman: Standard input cannot be the journal and the configuration/],
    [['replay', 'x', '-c', ''], 33, /^pointsman: --config is empty/],
    [['replay', 'x', '-c', '/not/there.yaml'], 30, /not\/there\.yaml/],
    [['start', '--journal-limit', '1GiB', '-c', '/not/there.yaml'], 33, /--journal-limit has no meaning without --journal/],
    [
      ['start', '--journal', 'x', '--journal-limit', '1 GB', '-c', '/not/there.yaml'],
      33,
      /"1 GB" is no size between 1MiB and 1024GiB/,
    ],
    [['start', '--journal', 'x', '--journal-limit', '1023KiB', '-c', '/not/there.yaml'], 33, /is no size/],
    [['start', '--journal', '', '-c', '/not/there.yaml'], 33, /--journal is empty/],
  ])('%j ends with %i', async (args, code, said) => {
    expect(await command(...args)).toMatchObject({ code, err: expect.stringMatching(said) })
  })
})
