import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { DirectoryWatches } from '../../src/watch/directory-watches.ts'

it('says that it may have missed something when a directory has vanished before it could be watched', async () => {
  const root = await mkdtemp(join(tmpdir(), 'pointsman-watches-'))
  try {
    const lists = join(root, 'lists')
    const heard: (string | null)[] = []
    using watches = new DirectoryWatches((_, name) => heard.push(name))
    expect(await watches.follow(new Set([lists])), 'not there').toBe(true)
    expect(watches.deaf).toBe(true)
    await mkdir(lists)
    expect(await watches.follow(new Set([lists])), 'watched now').toBe(true)
    expect(await watches.follow(new Set([lists])), 'nothing new').toBe(false)
    expect(watches.deaf).toBe(false)
    await writeFile(join(lists, 'web.yaml'), 'x')
    await expect.poll(() => heard).toContain('web.yaml')
  } finally {
    await rm(root, { recursive: true })
  }
})
