/**
 * Descriptors that a thread can have written down; one that has more open leaves those behind when it is killed. So many probes may be under way
 * at a time (max_probes), and some.
 */
const MOST = 131_072

/** What a thread writes its open descriptors into, each plus one: Node closes its own when a thread dies, and knows nothing of ours. */
export function descriptorsOfThread(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(MOST * Int32Array.BYTES_PER_ELEMENT))
}

/** Undefined: nobody outlives this thread. */
let written: Int32Array | undefined
const free: number[] = []
let used = 0

/** From now on this thread writes down what it has open. */
export function writeDownDescriptors(into: Int32Array): void {
  written = into
}

/** To be called right after it was opened; the answer is where it stands. */
export function noteDescriptor(descriptor: number): number {
  if (written === undefined) return 0
  const place = free.pop() ?? used++
  if (place < written.length) written[place] = descriptor + 1
  return place
}

/** To be called right before it is closed or given away: the number may be another one's right after that. */
export function forgetDescriptor(place: number): void {
  if (written === undefined) return
  if (place < written.length) written[place] = 0
  free.push(place)
}

/** Those that a thread had open. */
export function* notedDescriptors(of: Int32Array): Generator<number> {
  for (const descriptor of of) if (descriptor !== 0) yield descriptor - 1
}
