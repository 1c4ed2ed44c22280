/** A network namespace with nothing in it but a loopback device: enough for tables through which nobody sends. */

import type { Lab } from '../../lab/lab.ts'

export interface PrivateNamespace extends AsyncDisposable {
  readonly name: string
}

export async function privateNamespace(lab: Lab, name: string): Promise<PrivateNamespace> {
  await lab.check(`ip netns del ${name} 2>/dev/null; ip netns add ${name}`)
  // Without a local routing table the kernel refuses every destination with EINVAL.
  await lab.check('ip link set lo up', { netns: name })
  return { name, [Symbol.asyncDispose]: async () => void (await lab.run(['ip', 'netns', 'del', name])) }
}
