/** Tables and their writers belong to network namespaces. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { ipvsSteps, STEPS_SCRIPT } from './support/ipvs-steps.ts'
import { type PrivateNamespace, privateNamespace } from './support/namespace.ts'
import { ipvsadm } from './support/table.ts'

const [ONE, OTHER] = ['ipvs-one', 'ipvs-other'] as const

let lab: Lab
let namespaces: PrivateNamespace[] = []
beforeAll(async () => {
  lab = await sharedLab()
  namespaces = [await privateNamespace(lab, ONE), await privateNamespace(lab, OTHER)]
})
afterAll(async () => {
  for (const namespace of namespaces) await namespace[Symbol.asyncDispose]()
  await lab.close()
})

test('the worker works in the namespace that it is given', async () => {
  await ipvsadm(lab, '-A -t 10.0.0.1:80 -s rr', { netns: OTHER })
  const { stdout, stderr } = await lab.runScript(STEPS_SCRIPT, {
    netns: ONE,
    args: [`/run/netns/${OTHER}`],
    input: JSON.stringify([{ do: 'read' }]),
    timeoutMs: 100_000,
  })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toMatchObject([[{ service: { identity: { address: '10.0.0.1', port: 80 } } }]])
})

test('a namespace that is not there is an error that names it', async () => {
  const { stdout } = await lab.runScript(STEPS_SCRIPT, { args: ['/run/netns/nosuch'], input: '[]', timeoutMs: 100_000 })
  expect(JSON.parse(stdout)).toEqual([
    { code: 'BAD_INPUT', message: expect.stringMatching(/\/run\/netns\/nosuch.*ip netns list/) },
  ])
})

test('each namespace has one writer of its own', async () => {
  const script = await lab.installScript(STEPS_SCRIPT)
  const holdIn = (netns: string) =>
    ({ do: 'witness', command: ['bash', '-c', `echo '[{"do":"hold"}]' | ip netns exec ${netns} node ${script}`] }) as const
  const [held, other, same] = await ipvsSteps(lab, ONE, [{ do: 'hold' }, holdIn(OTHER), holdIn(ONE)])
  expect(JSON.parse(other)).toEqual([expect.objectContaining({ command: 'once' })])
  expect(JSON.parse(same)).toEqual([
    { code: 'TABLE_HELD', message: expect.stringContaining(`process ${held.pid} (pointsman once)`) },
  ])
})
