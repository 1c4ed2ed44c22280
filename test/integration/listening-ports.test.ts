import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { listeningPorts, portsIn } from '../../src/kernel/listening-ports.ts'

test('ports of TCP listeners that others reach are told, those of the loopback and of UDP are not', async () => {
  const listen = async (host: string) => {
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    return { port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() }
  }
  using everywhere = await listen('0.0.0.0')
  using six = await listen('::')
  using loopback = await listen('127.0.0.1')
  using loopback6 = await listen('::1')
  const datagrams = createSocket('udp4')
  datagrams.bind(0)
  await once(datagrams, 'listening')
  const ports = listeningPorts()
  const [silent, silent6, udp] = [loopback.port, loopback6.port, datagrams.address().port]
  datagrams.close()
  expect(ports).toEqual(expect.arrayContaining([everywhere.port, six.port]))
  for (const port of [silent, silent6, udp].filter((port) => port !== everywhere.port && port !== six.port))
    expect(ports).not.toContain(port)
  everywhere[Symbol.dispose]()
  expect(listeningPorts()).not.toContain(everywhere.port)
})

test('where the kernel does not say, the ports that the host reserves are left', () => {
  const ports = listeningPorts(() => {
    throw new Error('EPROTONOSUPPORT')
  })
  expect(Array.isArray(ports)).toBe(true)
})

test('a list of reserved ports is read as the kernel prints it', () => {
  expect(portsIn('8080,9148-9150')).toEqual([8080, 9148, 9149, 9150])
  expect(portsIn('')).toEqual([])
})
