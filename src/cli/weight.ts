import { weightIsReached } from '../admin/operator-request.ts'
import { EXIT, PointsmanError } from '../errors.ts'
import { durationOption, numberOption, sayWord, termsOf, type WordOptions } from './operator-word.ts'

interface Options extends WordOptions {
  readonly unset?: boolean
  readonly over?: string
  readonly steps?: string
}

/** Options that say something of a weight that is set. */
const OF_A_WEIGHT = ['over', 'steps', 'for', 'reason', 'force'] as const

/** `pointsman weight SERVICE BACKEND N` and `--unset`. */
export async function run(options: Options, service: string, backend: string, weight: string | undefined): Promise<number> {
  const target = { service, backends: [backend] }
  if (options.unset) {
    const idle = weight ?? OF_A_WEIGHT.find((name) => options[name] !== undefined)
    if (idle !== undefined)
      throw new PointsmanError('BAD_INPUT', `--unset takes the weight back: leave ${weight ?? `--${idle}`} out.`)
    await sayWord(options, { verb: 'unset', target })
    return EXIT.ok
  }
  if (weight === undefined)
    throw new PointsmanError('BAD_INPUT', 'No weight is given: write a number from 0 to 65535, or --unset to take it back.')
  if (options.steps !== undefined && options.over === undefined)
    throw new PointsmanError('BAD_INPUT', '--steps says how --over is divided: add --over and a duration, such as --over 10m.')
  const request = {
    verb: 'weight' as const,
    target,
    weight: numberOption('weight', weight, 0, 65_535),
    ...(options.over !== undefined && { over: durationOption('--over', options.over) }),
    ...(options.steps !== undefined && { steps: numberOption('--steps', options.steps, 1, 1_000) }),
    ...termsOf(options),
  }
  if (!weightIsReached(request))
    throw new PointsmanError(
      'BAD_INPUT',
      `--for ${options.for} ends before the last step of --over ${options.over}: make --for longer than --over, or leave it out.`,
    )
  await sayWord(options, request)
  return EXIT.ok
}
