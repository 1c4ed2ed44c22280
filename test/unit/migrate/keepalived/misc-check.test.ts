import { describe, expect, it } from 'vitest'
import { virtualServer } from '../support.ts'

describe('servers that are asked by programs', () => {
  const server = (number: number, checker: string, port = 80) => `real_server 10.0.1.${number} ${port} {\n${checker}\n}\n`
  const misc = (path: string) => `MISC_CHECK {\n misc_path ${path}\n}`
  const pool = async (...servers: string[]) => {
    const { configuration, leftOut, text } = await virtualServer(servers.join(''))
    const [check, ...more] = configuration.services[0]?.checks ?? []
    expect(more).toEqual([])
    return { command: check?.probe.kind === 'exec' ? check.probe.command : check?.probe.kind, leftOut, text }
  }
  const sh = (text: string) => ['/bin/sh', '-c', text]

  it.each<[string, (address: string, port: number) => string, string[]]>([
    ['the same for all', () => '"/bin/dns.sh 10.0.1.1"', ['/bin/dns.sh', '10.0.1.1']],
    ['its address', (address) => `"/bin/dns.sh ${address}"`, sh('exec /bin/dns.sh "$POINTSMAN_ADDRESS"')],
    [
      'its address and port within words',
      (address, port) => `"/bin/dns.sh --at=${address}:${port} 'a b'"`,
      sh(`exec /bin/dns.sh --at="$POINTSMAN_ADDRESS":"$POINTSMAN_PORT" 'a b'`),
    ],
    [
      'its address in a text for a shell',
      (address) => `"/bin/dns.sh ${address} | grep -q ok"`,
      sh('/bin/dns.sh $POINTSMAN_ADDRESS | grep -q ok'),
    ],
  ])('%s', async (_, path, command) => {
    const of = (number: number, port: number) => server(number, misc(path(`10.0.1.${number}`, port)), port)
    expect(await pool(of(1, 80), of(2, 81))).toMatchObject({ command, leftOut: [] })
  })

  it('one server: its address, whatever else is its port', async () => {
    const { command } = await pool(server(1, misc('"/bin/check 10.0.1.1 10.0.1.11 80"')))
    expect(command).toEqual(sh('exec /bin/check "$POINTSMAN_ADDRESS" 10.0.1.11 80'))
  })

  it('who else is asked counts, and the address in another spelling', async () => {
    const asks = (number: number) =>
      server(number, `MISC_CHECK {\n misc_path "/bin/x fd00::0:${number} 81"\n connect_ip fd00::${number}\n connect_port 81\n}`)
    const { configuration } = await virtualServer(asks(1))
    expect(configuration.services[0]?.checks).toMatchObject([
      { address: 'fd00::1', port: 81, probe: { command: sh('exec /bin/x "$POINTSMAN_ADDRESS" 81') } },
    ])
  })

  it.each<[string, string, string]>([
    ['other arguments', '"/bin/x one"', misc('"/bin/x two"')],
    ['addresses between single quotes of a shell', `"/bin/x '10.0.1.1' | cat"`, misc(`"/bin/x '10.0.1.2' | cat"`)],
    ['no program that has a whole path', '"x 10.0.1.1"', misc('"x 10.0.1.2"')],
  ])('%s: nobody is asked by them, and all are listed', async (_, one, two) => {
    const { command, leftOut, text } = await pool(server(1, misc(one)), server(2, two))
    expect(command).toBeUndefined()
    expect(text).not.toContain('keepalived checks none')
    expect(leftOut).toHaveLength(2)
    for (const line of leftOut) expect(line).toMatch(/MISC_CHECK \{ \}: servers of the pool are not asked by the same command/)
  })

  it('other checks stay where the programs go', async () => {
    const both = (number: number) => server(number, `TCP_CHECK { }\n${misc(`"/bin/x ${'ab'[number]}"`)}`)
    expect(await pool(both(0), both(1))).toMatchObject({ command: 'tcp', leftOut: { length: 2 } })
    const { command, leftOut } = await pool(server(1, misc('"/bin/x one"')), server(2, 'TCP_CHECK { }'))
    expect({ command, count: leftOut.length }).toEqual({ command: 'tcp', count: 1 })
  })

  it('the head says whose rights programs have, unless the file does', async () => {
    const head = /^# keepalived runs programs of checks as keepalived_script, or as root\. Here they have the rights of nobody/m
    expect((await pool(server(1, misc('/bin/x')))).text).toMatch(head)
    expect((await pool(server(1, 'MISC_CHECK {\n misc_path /bin/x\n user y\n}'))).text).not.toMatch(head)
    expect((await pool(server(1, 'TCP_CHECK { }'))).text).not.toMatch(head)
  })
})
