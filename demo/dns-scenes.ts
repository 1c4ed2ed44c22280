import type { Director } from './director.ts'
import { configurationOf, type Pool, type Scene, type Servers } from './scene.ts'
import { DOMAIN, NAME_SERVER, SRV_NAME, type Stagehand } from './stagehand.ts'

/** An impatient reader of the zone, for an impatient audience. */
const SOURCE = `source:
  dns_srv:
    name: ${SRV_NAME}
    servers: [${NAME_SERVER}]
    refresh: { min: 500ms, max: 1s }
    hold_obsolete: 0s`

/** The second act begins: the members of the same service are SRV records of a zone. */
export function dnsScenes(director: Director, stagehand: Stagehand, servers: Servers): readonly Scene[] {
  const publish = (pool: Pool) =>
    stagehand.wish({
      do: 'publish',
      records: Object.entries(pool).map(([server, weight]) => {
        const [address = '', port] = servers.get(server)?.split(':') ?? []
        return { target: `${server}.${DOMAIN}`, address, port: Number(port), weight }
      }),
    })
  return [
    {
      caption: 'the source becomes the DNS: SRV records that give rs1 weight 6',
      table: { rs1: 6, rs2: 1, rs3: 1 },
      play: async () => {
        await publish({ rs1: 6, rs2: 1, rs3: 1 })
        await director.configure(configurationOf(SOURCE))
      },
    },
    {
      caption: 'the record of rs3 leaves the zone: it drains',
      table: { rs1: 6, rs2: 1 },
      play: () => publish({ rs1: 6, rs2: 1 }),
    },
    {
      caption: 'the record of rs3 comes back, and all weigh the same',
      table: { rs1: 1, rs2: 1, rs3: 1 },
      play: () => publish({ rs1: 1, rs2: 1, rs3: 1 }),
    },
  ]
}
