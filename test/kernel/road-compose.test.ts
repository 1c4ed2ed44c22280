/**
 * deploy/compose brought up as a whole by the real Compose and a real engine, on a kernel with IPVS. Its other images are made here (a real Consul, Knot in
 * the place of CoreDNS, a small web server), under the names that the file gives them.
 */

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { importComposeImages } from '../containers/support/compose-images.ts'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { buildTopology, type Topology } from '../lab/topology.ts'
import { ContainerEngine } from './support/container-engine.ts'
import { tableLines } from './support/table.ts'

const file = readFileSync(inCheckout('deploy/compose/compose.yaml'), 'utf8')
/** As they are printed at the top of the file: by Consul, by DNS. */
const CURLS = [...file.matchAll(/curl http:\S+\/(?= )/g)].map(([line]) => line)
const UP = /docker compose -f \S+ up/.exec(file)?.[0] ?? ''

const [BY_CONSUL, BY_DNS] = ['172.31.80.10:80', '172.31.80.10:8080']
const web = (number: number) => `172.31.80.4${number}`

const WHOLE = tableLines(`
  -A -t ${BY_CONSUL} -s wrr
  -a -t ${BY_CONSUL} -r ${web(1)}:80 -m -w 5
  -a -t ${BY_CONSUL} -r ${web(2)}:80 -m -w 1
  -A -t ${BY_DNS} -s wrr
  -a -t ${BY_DNS} -r ${web(2)}:80 -m -w 5
  -a -t ${BY_DNS} -r ${web(3)}:80 -m -w 3
`)

/** Requests before, between and after the changes in the registry. */
const ENOUGH = 50

// Some thirty programs are started in it, each of which an emulated processor of a busy host needs seconds for.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 })

let lab: Lab
let net: Topology
let engine: ContainerEngine
const parts = new AsyncDisposableStack()

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  net = parts.use(await buildTopology(lab, { name: 'compose', kind: 'routed', realServers: 1 }))
  await net.check(net.director, 'modprobe ip_vs')
  engine = parts.use(await ContainerEngine.start(lab, net.director, { names: ['pointsman'], more: importComposeImages }))
})
afterAll(() => parts.disposeAsync())

/** What ipvsadm of this machine says inside the namespace of the container. */
const table = async () => tableLines(await engine.inNetworkOf('pointsman-pointsman-1', 'ipvsadm -Sn'))

/** Who answers one of the printed lines, each so many times. */
async function answers(line: string | undefined, times: number): Promise<string[]> {
  const said = await engine.check(`for time in $(seq ${times}); do ${line} --silent --show-error --max-time 30 || exit 1; done`)
  return [...said.matchAll(/^IP: (\S+)$/gm)].map(([, address = '']) => address)
}

describe('docker compose up', () => {
  it('brings up a director whose table is what Consul and DNS say', async () => {
    expect(UP).toBe('docker compose -f deploy/compose/compose.yaml up')
    await engine.check(`${UP} --detach`)
    await expect.poll(() => table().catch(() => []), { timeout: 180_000, interval: 1_000 }).toEqual(WHOLE)
  })

  it('answers the two lines at the top of the file by the backends that it should', async () => {
    expect(CURLS).toEqual(['curl http://172.31.80.10/', 'curl http://172.31.80.10:8080/'])
    // Source NAT stands a moment after the table at the latest.
    for (const line of CURLS) await engine.check(`until ${line} --silent --max-time 5; do sleep 1; done`)
    // A round of wrr by weights 5 and 1, and by 5 and 3.
    const byConsul = await answers(CURLS[0], 12)
    expect([web(1), web(2)].map((each) => byConsul.filter((address) => address === each).length)).toEqual([10, 2])
    const byDns = await answers(CURLS[1], 16)
    expect([web(2), web(3)].map((each) => byDns.filter((address) => address === each).length)).toEqual([10, 6])
  })

  it('sets the sysctls in the namespace of the container, and is healthy', async () => {
    const read = 'docker exec pointsman-pointsman-1 cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/vs/conntrack'
    expect((await engine.check(`${read} /proc/sys/net/ipv4/vs/expire_nodest_conn`)).trim().split(/\s+/)).toEqual(['1', '1', '1'])
    const health = () => engine.inspect('pointsman-pointsman-1', '{{.State.Health.Status}}')
    await expect.poll(health, { timeout: 180_000, interval: 1_000 }).toBe('healthy')
  })
})

describe('a backend', { retry: 0 }, () => {
  it('that is taken out in Consul gets nothing more, no request fails, and it comes back', async () => {
    const words = `--silent --show-error --max-time 30 --rate 20/s --header Connection:close --output /dev/null`.split(' ')
    // One curl that asks until it is told to end, a connection each. It would keep back what goes to its standard output.
    const load = lab.spawn(
      ['curl', ...words, '--write-out', '%{stderr}%{http_code} %{errormsg}\n', 'http://172.31.80.10/?[1-1000000]'],
      {
        netns: net.director.netns,
      },
    )
    const ended = () => load.stderr.split('\n').length - 1
    const further = async () => {
      const before = ended()
      await expect.poll(ended, { timeout: 120_000 }).toBeGreaterThanOrEqual(before + ENOUGH)
    }
    await further()
    const agent = 'http://172.31.80.20:8500/v1/agent/service/maintenance/web2'
    await engine.check(`curl -sf -X PUT '${agent}?enable=true&reason=disk'`)
    const serves = async () => (await table()).filter((line) => line.startsWith(`-a -t ${BY_CONSUL} `) && !line.endsWith('-w 0'))
    const web1 = `-a -t ${BY_CONSUL} -r ${web(1)}:80 -m -w 5`
    await expect.poll(serves, { timeout: 120_000, interval: 500 }).toEqual([web1])
    await further()
    expect(new Set(await answers(CURLS[0], 12))).toEqual(new Set([web(1)]))
    await engine.check(`curl -sf -X PUT '${agent}?enable=false'`)
    await expect.poll(table, { timeout: 120_000, interval: 500 }).toEqual(WHOLE)
    await further()
    load.kill('SIGTERM')
    await load.exited
    expect(load.stderr.split('\n').filter((line) => !/^(200 *)?$/.test(line))).toEqual([])
  })
})

describe('docker compose down', () => {
  it('takes all of it away', async () => {
    await engine.check(UP.replace(/up$/, 'down'))
    expect((await engine.check('docker ps --all --quiet')).trim()).toBe('')
  })
})
