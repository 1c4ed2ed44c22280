import { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startConsul } from '../../peers/consul.ts'
import { startKnot } from '../../peers/knot.ts'

interface Entry {
  readonly Service: { readonly ID: string; readonly Address: string; readonly Weights: { readonly Passing: number } }
}

test('a real Consul knows the backends that the compose file gives it, with their weights', async () => {
  const { services } = JSON.parse(readFileSync('deploy/compose/consul/services.json', 'utf8')) as { services: object[] }
  // Nobody is there to be checked: those addresses are of the network that Compose makes.
  await using agent = await startConsul({ config: { services: services.map((service) => ({ ...service, check: undefined })) } })
  const known = async () => {
    const entries = (await agent.ask('GET', '/v1/health/service/web')) as readonly Entry[]
    return entries.map(({ Service }) => [Service.ID, Service.Address, Service.Weights.Passing]).toSorted()
  }
  await expect.poll(known, { timeout: 20_000 }).toEqual([
    ['web1', '172.31.80.41', 5],
    ['web2', '172.31.80.42', 1],
  ])
})

test('a real name server answers from the zone that the compose file gives its own', async () => {
  const zone = readFileSync('deploy/compose/coredns/web.example.zone', 'utf8')
  // Knot's own test zones have their SOA already.
  const records = zone.split('\n').filter((line) => !/^\$|^@|^ns /.test(line))
  await using knot = await startKnot({ zones: { 'web.example': records.join('\n') } })
  const resolver = new Resolver()
  resolver.setServers([knot.server])
  const answer = await resolver.resolveSrv('_http._tcp.web.example')
  expect(answer.map(({ name, weight }) => [name, weight]).toSorted()).toEqual([
    ['web2.web.example', 5],
    ['web3.web.example', 3],
  ])
})
