/** Lines of the doctor about neighbours, on a link of namespaces: what is printed is run word for word, where it says. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import { LinkOfFour } from '../support/addresses/link-of-four.ts'
import { BundledProgram } from './bundled-program.ts'

/** Also root in a container may not make namespaces, and a kernel may lack bridges. */
const namespacesHere = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'br0', 'type', 'bridge']).status === 0

describe.skipIf(!namespacesHere)('on a link with neighbours', () => {
  let bundled: BundledProgram
  let link: LinkOfFour

  beforeAll(async () => {
    bundled = await BundledProgram.make()
    link = await LinkOfFour.start()
  })
  afterAll(async () => {
    await link?.[Symbol.asyncDispose]()
    await bundled?.[Symbol.asyncDispose]()
  })

  async function said(check: string, service: object): Promise<Finding[]> {
    const global = { state_dir: join(bundled.directory, 'state'), admin: 'off' }
    const services = [{ name: 'web', listen: '10.77.9.9:80', backends: ['10.77.0.2:80'], ...service }]
    const config = await bundled.file('neighbours.yaml', JSON.stringify({ global, services }))
    const doctor = link.spawn('director', [process.execPath, bundled.path, 'doctor', '-c', config, '--json'])
    if (doctor.stdout === null) throw new Error('the doctor has no output')
    const { checks } = JSON.parse(await text(doctor.stdout)) as { checks: Finding[] }
    return checks.filter((each) => each.check === check)
  }

  test('an address that may stand as the sender in questions to them is named, and no more after the cure', async () => {
    const hidden = { virtual_address: { interface: 'lo' } }
    await link.run('director', 'sysctl -w net.ipv4.conf.all.arp_announce=0 net.ipv4.conf.eth0.arp_announce=0')
    const ill = (await said('virtual address', hidden)).find(({ message }) => message.includes('arp_announce'))
    expect(ill).toMatchObject({
      verdict: 'warn',
      message:
        '10.77.9.9 on lo may stand as the sender in questions of this host to neighbours on eth0 (arp_announce is below 2)',
    })
    await link.run('director', ill?.run ?? 'false')
    const well = await said('virtual address', hidden)
    expect(well.filter(({ message }) => message.includes('arp_announce'))).toEqual([])
    expect(well).toContainEqual(
      expect.objectContaining({ verdict: 'ok', message: expect.stringContaining('is answered for on eth0') }),
    )
  })

  test('a route that they need to snat_ip leads here once what is printed is run there', async () => {
    const translated = { full_nat: true, snat_ip: '10.78.0.9' }
    const ill = (await said('source NAT', translated)).find(({ message }) => message.includes('in different networks'))
    expect(ill).toMatchObject({ verdict: 'warn', cure: expect.stringContaining('make sure of one there') })
    const [, route] = /"([^"]+)"/.exec(ill?.cure ?? '') ?? []
    await expect(link.run('client', 'ip route get 10.78.0.9')).rejects.toThrow()
    await link.run('client', route ?? 'false')
    expect(await link.run('client', 'ip route get 10.78.0.9')).toMatch(/^10\.78\.0\.9 via 10\.77\.0\.1 dev eth0 /)
    // Where it is in their own network none is needed, which is seen from here.
    const near = await said('source NAT', { ...translated, snat_ip: '10.77.0.9' })
    expect(near).toContainEqual({ check: 'source NAT', verdict: 'ok', message: expect.stringContaining('need no route') })
  })
})
