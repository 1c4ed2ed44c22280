/** What the program in the lab tells whoever started it. */

import type { GuestMessage, Measure } from '../sample.ts'
import { type Shape, shapeName } from '../shape.ts'

export function say(message: GuestMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

export function sample(measure: Measure, shape: Shape, subject: string, value: number): void {
  say({ kind: 'sample', measure, shape: shapeName(shape), subject, value })
}

export function progress(shape: Shape, text: string): void {
  say({ kind: 'progress', text: `${shapeName(shape)}: ${text}` })
}
