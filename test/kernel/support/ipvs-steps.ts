import { inCheckout, type Lab } from '../../lab/lab.ts'
import type { Step, StepResults } from '../guest/ipvs-step.ts'

export const STEPS_SCRIPT = inCheckout('test/kernel/guest/ipvs-steps.ts')

type ResultsOf<S extends readonly Step[]> = {
  readonly [K in keyof S]: S[K] extends { readonly do: infer D extends keyof StepResults } ? StepResults[D] : never
}

/** Does the steps in the lab, in the table of the namespace, and gives what each of them gave. */
export async function ipvsSteps<const S extends readonly Step[]>(lab: Lab, netns: string, steps: S): Promise<ResultsOf<S>> {
  const { code, stdout, stderr } = await lab.runScript(STEPS_SCRIPT, { netns, input: JSON.stringify(steps), timeoutMs: 200_000 })
  if (code !== 0) throw new Error(`the steps ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as ResultsOf<S>
}
