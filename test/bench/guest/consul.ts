/** The whole road: from the registration of an instance in a Consul agent to the kernel that holds it. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deregister, register, requestsPerSecond } from '../consul-catalog.ts'
import { BARE, type ConsulKeys, consulConfigurationText, type Instance, newBareInstance, newInstance } from '../consul-tables.ts'
import { FilledAgent, HTTPS_PORT, SERVER_NAME } from '../filled-agent.ts'
import { monotonic, type Window } from '../monotonic.ts'
import { PlainClient } from '../plain-client.ts'
import type { ConsulPlan, Programs } from '../plan.ts'
import type { Profile } from '../sample.ts'
import { type Shape, serviceIdentity, shapeName } from '../shape.ts'
import { summariseProfiles } from '../summarise-profile.ts'
import { Daemon, type DaemonPlace } from './daemon.ts'
import { freshIpvs } from './kernel-module.ts'
import { Look } from './look.ts'
import { progress, sample, say } from './say.ts'

/** Milliseconds between two changes. */
const PAUSE = 100
/** Milliseconds in which a blocking query has reached the agent, and in which everything has come to rest after the start. */
const ARRIVED = 60
const SETTLED = 8_000
/** Open files: a thousand connections have two ends. */
const FILES = 65_536

/** One in so many registrations is told to whoever waits. */
const TOLD = 50

/** A way to ask the agent. */
interface Way {
  readonly name: string
  readonly port: number
  readonly keys: ConsulKeys
  readonly plain: PlainClient
  readonly registrations: number
}

export async function measureConsul(plan: ConsulPlan, programs: Programs, binary: string): Promise<void> {
  execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${FILES}:${FILES}`])
  progress(plan.shape, 'registrations before the measured ones')
  await using filled = await FilledAgent.open(binary, plan.shape)
  const { agent, client, authority } = filled
  using plain = new PlainClient(filled.https, { ca: authority.cert, servername: SERVER_NAME })
  const ways: readonly Way[] = [
    { name: 'https', port: HTTPS_PORT, keys: filled.httpsKeys, plain, registrations: plan.registrations },
    { name: 'http', port: agent.httpPort, keys: { address: agent.url }, plain: client, registrations: plan.reported },
  ]
  for (const way of ways) await measureWay(way, plan, programs, client)
  const [judged] = ways
  if (plan.profiled > 0 && judged !== undefined) say(await profileWay(judged, plan, programs, client))
  const watches = plan.shape.services + 100
  await filled.raiseLimit(2 * watches)
  const keys = { address: agent.url, max_watches: watches }
  await measureWay(
    { name: 'http, a connection each', port: agent.httpPort, keys, plain: client, registrations: plan.reported },
    plan,
    programs,
    client,
  )
}

async function measureWay(way: Way, plan: ConsulPlan, programs: Programs, client: PlainClient): Promise<void> {
  const { shape } = plan
  progress(shape, `${way.name}: start of the daemon`)
  freshIpvs()
  await using daemon = new Daemon({
    program: programs.daemon,
    shape,
    configuration: (place) => consulConfigurationText(shape, way.keys, place),
  })
  await daemon.full()
  await daemon.ready()
  await sleep(SETTLED)
  await measureIdle(way, plan, daemon, client)
  await measureRegistrations(way, plan, client)
}

/** What the daemon does from a registration until the kernel holds it, in a life of its own: a profiler costs time. */
async function profileWay(
  way: Way,
  { shape, warmUp, profiled }: ConsulPlan,
  programs: Programs,
  client: PlainClient,
): Promise<Profile> {
  progress(shape, `${way.name}: profile`)
  const directory = mkdtempSync(join(tmpdir(), 'bench-profile-'))
  try {
    const windows: Window[] = []
    freshIpvs()
    {
      const configuration = (place: DaemonPlace) => consulConfigurationText(shape, way.keys, place)
      await using daemon = new Daemon({ program: programs.daemon, shape, profiles: directory, configuration })
      await daemon.full()
      await daemon.ready()
      await sleep(SETTLED)
      await registerEach(shape, warmUp + profiled, client, (number, from) => {
        if (number >= warmUp) windows.push({ from, to: monotonic() })
      })
    }
    const text = `from a registration to the kernel, ${shapeName(shape)}, ${way.name}: ${profiled} registrations`
    return { kind: 'profile', text, threads: summariseProfiles(directory, windows) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function registerEach(
  shape: Shape,
  count: number,
  client: PlainClient,
  held: (number: number, from: number) => void,
): Promise<void> {
  using look = new Look()
  const registered: Instance[] = []
  for (let number = 0; number < count; number++) {
    const service = Math.floor((number * shape.services) / count)
    const instance = newInstance(shape, service)
    registered.push(instance)
    await sleep(PAUSE)
    const from = monotonic()
    await untilHeld(client, look, service, instance)
    held(number, from)
  }
  for (const instance of registered) await deregister(client, instance)
}

async function measureIdle(
  { name, port }: Way,
  { shape, young }: ConsulPlan,
  daemon: Daemon,
  client: PlainClient,
): Promise<void> {
  progress(shape, `${name}: nothing happens`)
  const [used, began] = [daemon.processorTime(), performance.now()]
  sample('consul-requests', shape, name, await requestsPerSecond(client, young))
  sample('consul-cpu', shape, name, ((daemon.processorTime() - used) / ((performance.now() - began) / 1000)) * 100)
  sample('consul-connections', shape, name, daemon.connectionsTo(port))
}

/** Each of another service, so that nothing waits for quiet, and in turn with those that a plain client waits for. */
async function measureRegistrations(way: Way, { shape, warmUp }: ConsulPlan, client: PlainClient): Promise<void> {
  const { name, plain } = way
  progress(shape, `${name}: registrations`)
  using look = new Look()
  const registered: Instance[] = []
  const count = warmUp + way.registrations
  for (let number = 0; number < count; number++) {
    const service = Math.floor((number * shape.services) / count)
    const instance = newInstance(shape, service)
    registered.push(instance)
    await sleep(PAUSE)
    const held = await untilHeld(client, look, service, instance)
    await sleep(PAUSE)
    const heard = await untilHeard(client, plain, newBareInstance(shape, number))
    if (number < warmUp) continue
    sample('register', shape, `${name}: in the kernel`, held)
    sample('register', shape, `${name}: bare query`, heard)
    const text = `${name}: registration ${number} of ${count}, ${held.toFixed(0)} ms, bare ${heard.toFixed(0)} ms`
    if (number % TOLD === 0) progress(shape, text)
  }
  for (const instance of registered) await deregister(client, instance)
}

/** Milliseconds from the registration until the kernel is seen to hold the instance. */
async function untilHeld(client: PlainClient, look: Look, service: number, instance: Instance): Promise<number> {
  const began = performance.now()
  const held = look.untilHeld(serviceIdentity(service), instance.address)
  const [ended] = await Promise.all([held, register(client, instance)])
  return ended - began
}

/** Milliseconds from the registration until a blocking query that waited for it has its answer. The instance goes again. */
async function untilHeard(client: PlainClient, plain: PlainClient, instance: Instance): Promise<number> {
  const path = `/v1/health/service/${BARE}`
  const { index } = await plain.ask('GET', path)
  const answer = plain.ask('GET', `${path}?index=${index}&wait=60s`).then(() => performance.now())
  await sleep(ARRIVED)
  const began = performance.now()
  const [ended] = await Promise.all([answer, register(client, instance)])
  await deregister(client, instance)
  return ended - began
}
