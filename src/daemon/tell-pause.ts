import type { Pause } from '../model/pause.ts'
import type { Listeners } from './passes.ts'
import { pauseText } from './pausing.ts'

/** A pause begins, is another one, or ends; told to health, metrics and log. */
export function tellPause(pause: Pause | undefined, ranOut: boolean, { status, metrics, logger }: Listeners): void {
  const text = pause && pauseText(pause)
  status.pauseChanged(text)
  metrics.paused(pause !== undefined)
  if (text !== undefined) logger.warn(`${text} (nothing is written to the kernel, probes and sources go on)`)
  else logger.info({ cause: ranOut ? 'expired' : 'operator' }, 'the pause is over: the kernel is written again')
}
