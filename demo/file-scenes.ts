import type { Director } from './director.ts'
import { configurationOf, type Pool, type Scene, VIP } from './scene.ts'

/** The first act: the members stand in the configuration, and somebody edits it. */
export function fileScenes(director: Director): readonly Scene[] {
  const edit = (pool: Pool, scheduler?: string) => director.configure(configurationOf(director.listOf(pool), scheduler))
  const even = { rs1: 1, rs2: 1, rs3: 1 }
  return [
    { caption: 'three servers, equal weights', table: even, play: () => edit(even) },
    {
      caption: 'the file gives rs1 weight 6',
      table: { rs1: 6, rs2: 1, rs3: 1 },
      play: () => edit({ rs1: 6, rs2: 1, rs3: 1 }),
    },
    {
      caption: 'rs3 leaves the file: it drains, nobody is cut off',
      table: { rs1: 1, rs2: 1 },
      play: () => edit({ rs1: 1, rs2: 1 }),
    },
    {
      caption: 'somebody saves half a file: the last good one stays',
      table: { rs1: 1, rs2: 1 },
      play: () => director.configure(`services:\n  - name: web\n    listen: ${VIP}:`),
    },
    { caption: 'rs3 comes back, the scheduler becomes lc in place', table: even, play: () => edit(even, 'lc') },
    {
      caption: 'a stranger sets rs2 to weight 0: put back at the next resync',
      table: even,
      play: async () => {
        await edit(even)
        await director.strangerStops('rs2')
      },
    },
  ]
}
