/** What the kernel room says when IPVS is not there, may not be used, or is loaded anew under its feet. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IpAddress } from '../../src/model/address.ts'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { ipvsSteps, STEPS_SCRIPT } from './support/ipvs-steps.ts'
import { type PrivateNamespace, privateNamespace } from './support/namespace.ts'

const NAMESPACE = 'ipvs-missing'
const SCRIPT = STEPS_SCRIPT

let lab: Lab
let namespace: PrivateNamespace
beforeAll(async () => {
  lab = await sharedLab()
  namespace = await privateNamespace(lab, NAMESPACE)
})
afterAll(async () => {
  await namespace[Symbol.asyncDispose]()
  await lab.close()
})

test('without CAP_NET_ADMIN the error names the capability', async () => {
  const script = await lab.installScript(SCRIPT)
  const as = ['/usr/bin/setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all']
  const { stdout, stderr } = await lab.run([...as, 'node', script], { netns: NAMESPACE, input: '[]', timeoutMs: 100_000 })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual([{ code: 'NO_PERMISSION', message: expect.stringContaining('CAP_NET_ADMIN') }])
})

describe('the module', () => {
  /** Its tables go first: a namespace with services keeps it in use. */
  const UNLOAD = `for n in $(ip netns list | cut -d' ' -f1); do ip netns exec $n ipvsadm -C; done; ipvsadm -C
    for m in $(lsmod | grep -o '^ip_vs_[a-z0-9_]*'); do rmmod $m; done; rmmod ip_vs; ! lsmod | grep -q '^ip_vs '`
  const FORBID = `printf 'install ip_vs /bin/false\\nblacklist ip_vs\\n' > /etc/modprobe.d/pointsman-test.conf`
  const ALLOW = 'rm -f /etc/modprobe.d/pointsman-test.conf'

  test('that cannot be loaded is an error with its cure; allowed again it is loaded by the question itself', async (context) => {
    if (lab.mode !== 'vm') context.skip('modules of the machine itself are left alone')
    await lab.check(`ipvsadm -Ln >/dev/null; ${UNLOAD}`, { timeoutMs: 100_000 })
    try {
      await lab.check(FORBID)
      const missing = await lab.runScript(SCRIPT, { netns: NAMESPACE, input: '[]', timeoutMs: 100_000 })
      expect(missing.stderr).toBe('')
      expect(JSON.parse(missing.stdout)).toEqual([{ code: 'IPVS_MISSING', message: expect.stringMatching(/modprobe ip_vs/) }])
    } finally {
      await lab.check(ALLOW)
    }
    const steps = JSON.stringify([{ do: 'read-timeouts' }])
    const found = await lab.runScript(SCRIPT, { netns: NAMESPACE, input: steps, timeoutMs: 100_000 })
    expect(found.stderr).toBe('')
    expect(JSON.parse(found.stdout)).toEqual([{ tcp: 900, tcpFin: 120, udp: 300 }])
  })

  test('that is loaded again under a running process has another family number, and nothing is lost', async (context) => {
    if (lab.mode !== 'vm') context.skip('modules of the machine itself are left alone')
    const service = { kind: 'address', protocol: 'tcp', address: '10.0.0.1' as IpAddress, port: 80 } as const
    const flags = { flag1: false, flag2: false, flag3: false }
    const add = { kind: 'add-service', service: { identity: service, scheduler: 'rr', flags, onePacket: false } } as const
    const reload = { do: 'witness', command: ['bash', '-c', `(${UNLOAD}) >&2; modprobe ip_vs`] } as const
    const read = { do: 'read' } as const
    const [first, , written, second, , empty] = await ipvsSteps(lab, NAMESPACE, [
      { do: 'write', commands: [add] },
      reload,
      { do: 'write', commands: [add, add] },
      read,
      reload,
      read,
    ])
    expect(first.failures).toEqual([])
    expect(written.failures).toEqual([{ index: 1, errno: 'EEXIST' }])
    expect(second).toHaveLength(1)
    expect(empty).toEqual([])
  })
})
