import { inCheckout, type Lab, type LabProcess } from '../../lab/lab.ts'
import type { Host } from '../../lab/topology.ts'
import type { Question } from '../guest/ask-sources.ts'

/** Starts servers on all addresses of a host, by TCP and by UDP, that tell whoever asks whom they see. */
export async function startSourceWitness(lab: Lab, { netns }: Pick<Host, 'netns'>, port: number): Promise<LabProcess> {
  const witness = await lab.spawnScript(inCheckout('test/kernel/guest/source-witness.ts'), { netns, args: [`${port}`] })
  await witness.waitForLine((line) => line === 'ready', 60_000)
  return witness
}

/** Asks real servers from a host, and gives whom they saw: `address port` for each connection, or `none`. */
export async function askSources(lab: Lab, { netns }: Host, questions: readonly Question[]): Promise<string[][]> {
  const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/ask-sources.ts'), {
    netns,
    input: JSON.stringify(questions),
    timeoutMs: 120_000,
  })
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as string[][]
}

/** The addresses among them, each once. */
export function addressesOf(answers: readonly string[] | undefined): string[] {
  return [...new Set(answers?.map((answer) => answer.split(' ')[0] ?? ''))].sort()
}
