import { Resolver } from 'node:dns/promises'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startConsul } from '../../peers/consul.ts'
import { compose } from '../../peers/docker-compose.ts'
import { startKnot } from '../../peers/knot.ts'
import { scratchDirectory } from '../scratch.ts'

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

interface Project {
  readonly name: string
  readonly services: Readonly<Record<string, { readonly networks: { readonly lan: { readonly ipv4_address: string } } }>>
}

test('Compose itself takes the file, and understands it as it is meant', async () => {
  const project = JSON.parse(await compose(['--file', 'deploy/compose/compose.yaml', 'config', '--format', 'json'])) as Project
  expect(Object.keys(project.services).toSorted()).toEqual(['consul', 'dns', 'pointsman', 'web1', 'web2', 'web3'])
  expect(project.services['pointsman']).toMatchObject({
    cap_add: ['NET_ADMIN'],
    read_only: true,
    sysctls: { 'net.ipv4.vs.conntrack': '1' },
    volumes: [
      { type: 'bind', target: '/etc/pointsman/pointsman.yaml', read_only: true },
      { type: 'volume', source: 'state', target: '/var/lib/pointsman' },
    ],
  })
  // The anchor of the first one is overlaid by the others.
  expect(['web1', 'web2', 'web3'].map((name) => project.services[name]?.networks.lan.ipv4_address)).toEqual([
    '172.31.80.41',
    '172.31.80.42',
    '172.31.80.43',
  ])
})

test('Compose would refuse a key that it does not know', async () => {
  const directory = await scratchDirectory()
  cpSync('deploy/compose', directory, { recursive: true })
  const file = join(directory, 'compose.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('cap_add:', 'capadd:'))
  await expect(compose(['--file', file, 'config', '--quiet'])).rejects.toThrow(/capadd/)
})
