import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import type { ProbeKind } from '../../../src/model/probe-spec.ts'
import { serving } from './bad-servers.ts'

const DNS = { kind: 'dns', name: 'www.example', type: 'A', rcode: 0 } as const
const SYSLOG = { kind: 'syslog', facility: 3, severity: 7, message: 'hello' } as const
const HTTP = { kind: 'http', method: 'GET', path: '/', headers: {}, status: [], redirects: 'accept' } as const

/** At least one of each kind. */
const PROBES: readonly ProbeKind[] = [
  { kind: 'tcp' },
  { kind: 'tls', tls: { verify: true } },
  { ...HTTP, version: '1.1' },
  { ...HTTP, version: '2' },
  { ...DNS, transport: 'udp' },
  { ...DNS, transport: 'tcp' },
  { kind: 'udp', send: 'x' },
  { ...SYSLOG, transport: 'udp' },
  { ...SYSLOG, transport: 'tcp' },
  { kind: 'grpc', service: '' },
  { kind: 'grpc', service: '', tls: { verify: true } },
  { kind: 'smtp', helo: 'localhost' },
  { kind: 'exec', command: ['/bin/true'], dynamic: false, user: 'nobody' },
  { kind: 'agent' },
]

it('where no file descriptor is left no probe learns anything, and all go on when there are some again', async () => {
  const { port } = await serving((socket) => void socket.destroySoon())
  const program = `
    import { closeSync, openSync } from 'node:fs'
    import { probeFor } from '${new URL('../../../src/health/registry.ts', import.meta.url)}'
    const target = { address: '127.0.0.1', port: ${port} }
    const ask = () => Promise.all(${JSON.stringify(PROBES)}.map((spec) => probeFor(spec, target)(AbortSignal.timeout(1000))))
    // What is loaded when it is used first needs descriptors, too.
    await ask()
    const taken = []
    try { for (;;) taken.push(openSync('/dev/null')) } catch {}
    const without = await ask()
    for (const one of taken) closeSync(one)
    console.log(JSON.stringify({ without, later: await ask() }))`
  const script = 'ulimit -n 80; exec "$0" --input-type=module --eval "$1"'
  const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, program], { timeout: 30_000 })
  const { without, later } = JSON.parse(stdout)
  expect(without).toEqual(PROBES.map(() => ({ outcome: 'unknown', message: expect.stringContaining('EMFILE') })))
  expect(JSON.stringify(later)).not.toContain('EMFILE')
})
