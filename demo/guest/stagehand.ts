/**
 * In the director's namespace, from the first scene to the last: is the name server, speaks to the Consul agent, reads the
 * kernel's table. One program for all of it, since each that starts costs an emulated machine a second.
 *
 * Usage: `stagehand NAME_SERVER_ADDRESS SRV_NAME CONSUL_URL`. Each line of input is a wish, each line of output a reply.
 */

import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import type { Reply, Wish } from '../wish.ts'
import { startNameServer } from './name-server.ts'

const [address = '', srvName = '', consul = ''] = process.argv.slice(2)
const publish = await startNameServer(address, srvName)

function ask(method: string, path: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(`${consul}${path}`, { method, timeout: 10_000 }, (response) => {
      text(response).then((words) => {
        if (response.statusCode === 200) resolve(words)
        else reject(new Error(`${method} ${path} answered ${response.statusCode}: ${words}`))
      }, reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${path} was not answered for 10 s`)))
    asked.on('error', reject)
    asked.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function awaitConsul(): Promise<void> {
  for (;;) {
    const nodes = await ask('GET', '/v1/health/service/consul').catch(() => '')
    if (nodes.includes('serfHealth')) return
    await wait(100)
  }
}

async function fulfil(wish: Wish): Promise<string | undefined> {
  switch (wish.do) {
    case 'publish':
      publish(wish.records)
      return undefined
    case 'await-consul':
      await awaitConsul()
      return undefined
    case 'put':
      return ask('PUT', `/v1/agent/${wish.path}`, wish.body)
    case 'read-table':
      return readFileSync('/proc/net/ip_vs', 'latin1')
  }
}

const reply = (line: Reply) => console.log(JSON.stringify(line))

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, ...wish } = JSON.parse(line) as Wish & { readonly id: number }
  fulfil(wish).then(
    (text) => reply({ id, ...(text !== undefined && { text }) }),
    (error: Error) => reply({ id, error: error.message }),
  )
})
console.log('ready')
