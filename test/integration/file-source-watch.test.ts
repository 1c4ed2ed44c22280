import { execFileSync } from 'node:child_process'
import { appendFile, chmod, mkdir, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asyncScheduler, firstValueFrom, Subject } from 'rxjs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type FileObservation, type WatchFileOptions, watchFile } from '../../src/watch/watch-file.ts'
import { Listener, pause, scratchDirectory } from './scratch.ts'

/** No poll within a test: what is seen is seen because the kernel said so. */
const options: WatchFileOptions = { settle: 100, poll: 3_600_000 }

function text(observation: FileObservation): string {
  return observation.kind === 'content' ? Buffer.from(observation.bytes).toString() : observation.kind
}

async function watching(path: string, more: WatchFileOptions = {}) {
  const listener = new Listener(watchFile(path, { ...options, ...more }))
  const sees = (wanted: string) => listener.until((last) => text(last) === wanted, wanted)
  return { listener, sees, said: () => listener.heard.map(text) }
}

async function replace(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}

/** What kubelet's atomic writer does: a new directory, a link to it under a temporary name, a rename, the old directory goes. */
async function swapConfigMap(mount: string, revision: string, content: string, before?: string): Promise<void> {
  await mkdir(join(mount, `..${revision}`))
  await writeFile(join(mount, `..${revision}`, 'web.yaml'), content)
  await symlink(`..${revision}`, join(mount, '..data_tmp'))
  await rename(join(mount, '..data_tmp'), join(mount, '..data'))
  if (before !== undefined) await rm(join(mount, `..${before}`), { recursive: true })
}

/** Permissions do not bind root: the test goes on as nobody and comes back at its end. Changes nothing for other users. */
function withoutPrivileges(): void {
  if (process.getuid?.() !== 0) return
  process.seteuid?.(65_534)
  onTestFinished(() => process.seteuid?.(0))
}

describe('watching a file', () => {
  it('sees what is there, in-place writes, appended and truncated content', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, 'one')
    const { sees, said } = await watching(path)
    await sees('one')
    await writeFile(path, 'two')
    await sees('two')
    await appendFile(path, ' and three')
    await sees('two and three')
    await truncate(path, 3)
    await sees('two')
    expect(said()).toEqual(['one', 'two', 'two and three', 'two'])
  })

  it('sees write-and-rename, again and again', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, 'start')
    const { sees } = await watching(path)
    await sees('start')
    for (const content of ['one', 'two', 'three']) {
      await replace(path, content)
      await sees(content)
    }
    await writeFile(path, 'in place after renames')
    await sees('in place after renames')
  })

  it('sees ConfigMap swaps', async () => {
    const mount = await scratchDirectory()
    await swapConfigMap(mount, '2026_01', 'one')
    await symlink(join('..data', 'web.yaml'), join(mount, 'web.yaml'))
    const { sees, said } = await watching(join(mount, 'web.yaml'))
    await sees('one')
    await swapConfigMap(mount, '2026_02', 'two', '2026_01')
    await sees('two')
    await swapConfigMap(mount, '2026_03', 'two', '2026_02')
    await swapConfigMap(mount, '2026_04', 'three', '2026_03')
    await sees('three')
    expect(said()).toEqual(['one', 'two', 'three'])
  })

  it('sees changes behind links into other directories, absolute and relative', async () => {
    const root = await scratchDirectory()
    await mkdir(join(root, 'here'))
    await mkdir(join(root, 'there'))
    await writeFile(join(root, 'there', 'list'), 'one')
    await writeFile(join(root, 'other'), 'other')
    await symlink(join(root, 'there'), join(root, 'here', 'dir'))
    await symlink('../here/dir/../there/list', join(root, 'here', 'web.yaml'))
    const { sees } = await watching(join(root, 'here', 'web.yaml'))
    await sees('one')
    await replace(join(root, 'there', 'list'), 'two')
    await sees('two')
    await unlink(join(root, 'here', 'web.yaml'))
    await sees('missing')
    await symlink('../other', join(root, 'here', 'web.yaml'))
    await sees('other')
  })

  it('sees the file go and return', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    const { sees, said } = await watching(path)
    await sees('missing')
    await writeFile(path, 'one')
    await sees('one')
    await unlink(path)
    await sees('missing')
    await writeFile(path, 'one')
    await sees('one')
    expect(said()).toEqual(['missing', 'one', 'missing', 'one'])
  })

  it('sees its directory go and return, in steps and at once', async () => {
    const root = await scratchDirectory()
    const directory = join(root, 'a', 'b')
    const { sees } = await watching(join(directory, 'web.yaml'))
    await sees('missing')
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'web.yaml'), 'one')
    await sees('one')
    await rm(join(root, 'a'), { recursive: true })
    await sees('missing')
    await mkdir(join(root, 'a'))
    await pause(100)
    await mkdir(directory)
    await pause(100)
    await writeFile(join(directory, 'web.yaml'), 'two')
    await sees('two')
    await rm(directory, { recursive: true })
    await mkdir(directory)
    await writeFile(join(directory, 'web.yaml'), 'three')
    await sees('three')
    await replace(join(directory, 'web.yaml'), 'four')
    await sees('four')
  })

  it('sees its directory renamed away and another one put in its place', async () => {
    const root = await scratchDirectory()
    for (const name of ['live', 'next']) {
      await mkdir(join(root, name))
      await writeFile(join(root, name, 'web.yaml'), name)
    }
    const { sees } = await watching(join(root, 'live', 'web.yaml'))
    await sees('live')
    await rename(join(root, 'live'), join(root, 'old'))
    await rename(join(root, 'next'), join(root, 'live'))
    await sees('next')
    await writeFile(join(root, 'live', 'web.yaml'), 'after the swap')
    await sees('after the swap')
  })

  it('reads a file that is written slowly only when it has settled', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, 'before')
    const { sees, said } = await watching(path, { settle: 600 })
    await sees('before')
    await writeFile(path, '')
    for (const part of ['a', 'b', 'c', 'd']) {
      await pause(20)
      await appendFile(path, part)
    }
    await sees('abcd')
    expect(said()).toEqual(['before', 'abcd'])
  })

  it('reads a file that never settles all the same', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, 'x')
    const { listener } = await watching(path, { settle: 60 })
    const writer = setInterval(() => void appendFile(path, 'x'), 15)
    try {
      await listener.until((last) => text(last).length > 5, 'a look in spite of unrest', 3_000)
    } finally {
      clearInterval(writer)
    }
  })

  it('says nothing about neighbours and about content that is the same', async () => {
    const directory = await scratchDirectory()
    const path = join(directory, 'web.yaml')
    await writeFile(path, 'one')
    const { sees, said } = await watching(path)
    await sees('one')
    await writeFile(join(directory, 'neighbour'), 'two')
    await writeFile(path, 'one')
    await replace(path, 'one')
    await pause(300)
    expect(said()).toEqual(['one'])
  })

  it('finds by looking what no event told', async () => {
    const root = await scratchDirectory()
    await mkdir(join(root, 'a', 'b'), { recursive: true })
    const path = join(root, 'a', 'b', 'web.yaml')
    await writeFile(path, 'one')
    const { sees } = await watching(path, { poll: 200 })
    await sees('one')
    // No watched directory tells that one far above it was renamed.
    await rename(join(root, 'a'), join(root, 'away'))
    await sees('missing')
  })

  it('looks again when asked, and says it although nothing changed', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, 'one')
    const reload$ = new Subject<void>()
    const { listener, sees, said } = await watching(path, { reload$ })
    await sees('one')
    reload$.next()
    reload$.next()
    await listener.until(() => listener.heard.length >= 3, 'the content again')
    await pause(200)
    expect(said()).toEqual(['one', 'one', 'one'])
  })
})

describe('a file that cannot be had', () => {
  it('is reported as such when it is a directory, and read when it becomes a file', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await mkdir(path)
    const { listener, sees } = await watching(path)
    expect(await sees('unreadable')).toMatchObject({ issue: { file: path, path: '' } })
    expect(listener.heard).toHaveLength(1)
    await rm(path, { recursive: true })
    await writeFile(path, 'one')
    await sees('one')
  })

  it('does not hang on a FIFO', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    execFileSync('mkfifo', [path])
    const { sees } = await watching(path)
    expect(await sees('unreadable')).toMatchObject({ issue: { problem: 'is not a regular file' } })
  })

  it('is missing behind a link to nothing, unreadable behind a loop of links', async () => {
    const directory = await scratchDirectory()
    await symlink('nowhere', join(directory, 'dangling'))
    await symlink('loop', join(directory, 'loop'))
    await (await watching(join(directory, 'dangling'))).sees('missing')
    expect(await (await watching(join(directory, 'loop'))).sees('unreadable')).toMatchObject({
      issue: { problem: 'the path is a loop of symbolic links' },
    })
  })

  it('is unreadable without permission, and read when it is given', async () => {
    const directory = await scratchDirectory()
    const path = join(directory, 'web.yaml')
    await writeFile(path, 'one')
    await chmod(directory, 0o755)
    await chmod(path, 0)
    withoutPrivileges()
    const { sees } = await watching(path)
    await sees('unreadable')
    process.seteuid?.(process.getuid?.() ?? 0)
    await chmod(path, 0o644)
    withoutPrivileges()
    await sees('one')
  })

  it('is looked at often where its directory cannot be watched', async () => {
    const directory = await scratchDirectory()
    const path = join(directory, 'web.yaml')
    await writeFile(path, 'one')
    await chmod(path, 0o666)
    await chmod(directory, 0o311)
    withoutPrivileges()
    const { sees } = await watching(path)
    await sees('one')
    await writeFile(path, 'two')
    await sees('two')
  })

  it('is not read above the limit, and read again below it', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    await writeFile(path, Buffer.alloc(50 * 1024 * 1024, 'x'))
    const { sees } = await watching(path)
    const before = process.memoryUsage().arrayBuffers
    expect(await sees('unreadable')).toMatchObject({ issue: { problem: expect.stringContaining('52428800 bytes') } })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024)
    await writeFile(path, 'small again')
    await sees('small again')
  })
})

describe('the end of watching', () => {
  it('frees every watch and every timer', async () => {
    const directory = await scratchDirectory()
    await symlink('nowhere/at/all', join(directory, 'web.yaml'))
    const handles = () => process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap' || name === 'Timeout').length
    const before = handles()
    const { listener, sees } = await watching(join(directory, 'web.yaml'))
    await sees('missing')
    await writeFile(join(directory, 'web.yaml.new'), 'x')
    expect(handles()).toBeGreaterThan(before)
    listener.stop()
    await pause(50)
    expect(handles()).toBe(before)
    await rename(join(directory, 'web.yaml.new'), join(directory, 'web.yaml'))
    await pause(200)
    expect(listener.heard).toHaveLength(1)
  })

  it('frees all that a look would still have begun whose word was enough', async () => {
    const handles = () => process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap' || name === 'Timeout').length
    const before = handles()
    await firstValueFrom(watchFile(join(await scratchDirectory(), 'web.yaml'), options))
    await pause(50)
    expect(handles()).toBe(before)
  })

  it('frees what a look under way would still have opened', async () => {
    const path = join(await scratchDirectory(), 'web.yaml')
    const handles = () => process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length
    const before = handles()
    for (let round = 0; round < 20; round++) {
      const { listener } = await watching(path)
      asyncScheduler.schedule(() => listener.stop(), round % 4)
      await pause(10)
    }
    await pause(50)
    expect(handles()).toBe(before)
  })
})

describe('any disturbance', () => {
  it('ends with the final content', async () => {
    const root = await scratchDirectory()
    const directory = join(root, 'lists')
    const path = join(directory, 'web.yaml')
    await mkdir(directory)
    const { sees } = await watching(path, { settle: 15 })
    let seed = 20_260_101
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
      return (seed >>> 8) % below
    }
    for (let round = 0; round < 40; round++) {
      for (let act = random(8); act >= 0; act--) {
        const content = `round ${round} act ${act}`
        await mkdir(directory, { recursive: true })
        const acts = [
          () => writeFile(path, content),
          () => replace(path, content),
          () => rm(path, { force: true }),
          () => rm(directory, { recursive: true }),
          async () => {
            await rm(path, { force: true })
            await writeFile(join(root, `target-${random(3)}`), content)
            await symlink(join(root, `target-${random(3)}`), path)
          },
        ]
        await acts[random(acts.length)]?.()
        await pause(random(4) * 10)
      }
      await mkdir(directory, { recursive: true })
      await replace(path, `end of round ${round}`)
      await sees(`end of round ${round}`)
    }
  })
})
