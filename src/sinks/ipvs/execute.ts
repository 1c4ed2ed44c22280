import { failpoint } from '../../failpoint.ts'
import type { CommandFailure, IpvsCommand, IpvsKernel } from '../../kernel/for-sinks.ts'
import type { Change } from '../../model/change.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { isSurprise } from './refusal.ts'
import { Turn } from './turn.ts'
import type { Task } from './work.ts'

/** Tasks in the first call, whose outcome is awaited: where a service cannot be created its many destinations are not tried. */
const FIRST_PORTION = 256
/** Tasks in each call after it: while the kernel works on some, the outcome of those before them is taken in. */
const PORTION = 2_048

/** What became of tasks that write. */
export interface Outcome {
  readonly done: Task[]
  /** The table was not as believed: these services have to be read again. */
  readonly surprised: Map<ServiceKey, Refused>
  readonly refused: Refused[]
}

export interface Refused {
  readonly task: Task
  readonly failure: CommandFailure
}

/** The request that carries out a change. */
export function commandOf(change: Change): IpvsCommand {
  switch (change.kind) {
    case 'add-service':
    case 'edit-service':
      return { kind: change.kind, service: change.after }
    case 'delete-service':
      return { kind: change.kind, service: change.service }
    case 'add-destination':
    case 'edit-destination':
      return { kind: change.kind, service: change.service, destination: change.after }
    case 'delete-destination':
      return { kind: change.kind, service: change.service, destination: change.before }
  }
}

/** Tasks on their way to the kernel. */
interface Written {
  readonly tasks: readonly Task[]
  readonly failures: Promise<readonly CommandFailure[]>
}

/**
 * Writes tasks in order, portion by portion, and sorts the answers. `onDone` is called for each one that the kernel took.
 * The destinations of a service that could not be created are no failures of their own.
 */
export async function execute(kernel: IpvsKernel, tasks: readonly Task[], onDone: (task: Task) => void): Promise<Outcome> {
  const outcome: Outcome = { done: [], surprised: new Map(), refused: [] }
  const uncreated = new Set<ServiceKey>()
  const first = write(kernel, tasks.slice(0, FIRST_PORTION))
  await takeIn(outcome, first, uncreated, onDone)
  let before: Written | undefined
  for (let at = FIRST_PORTION; at < tasks.length; at += PORTION) {
    const portion = tasks.slice(at, at + PORTION).filter(({ service }) => !uncreated.has(service))
    if (portion.length === 0) continue
    const written = write(kernel, portion)
    if (before) await takeIn(outcome, before, uncreated, onDone)
    before = written
  }
  if (before) await takeIn(outcome, before, uncreated, onDone)
  return outcome
}

function write(kernel: IpvsKernel, tasks: readonly Task[]): Written {
  const commands = tasks.map(({ step }) => commandOf(step.change as Change))
  const failures = kernel.write(commands).then((report) => report.failures)
  // It is awaited only after the portion before it; should that one reject, this must not count as unhandled.
  failures.catch(() => undefined)
  return { tasks, failures }
}

async function takeIn(
  outcome: Outcome,
  { tasks, failures }: Written,
  uncreated: Set<ServiceKey>,
  onDone: (task: Task) => void,
): Promise<void> {
  const failed = new Map((await failures).map((failure) => [failure.index, failure]))
  failpoint('ipvs.after-batch')
  const turn = new Turn()
  for (const [index, task] of tasks.entries()) {
    if (turn.isOver()) await turn.next()
    const failure = failed.size === 0 ? undefined : failed.get(index)
    if (failure === undefined) {
      onDone(task)
      outcome.done.push(task)
    } else if (!uncreated.has(task.service)) {
      sortFailure(outcome, { task, failure }, uncreated)
    }
  }
}

function sortFailure(outcome: Outcome, refused: Refused, uncreated: Set<ServiceKey>): void {
  const { task, failure } = refused
  const { change } = task.step
  if (change === undefined) return
  if (isSurprise(change, failure.errno)) outcome.surprised.set(task.service, refused)
  else outcome.refused.push(refused)
  if (change.kind === 'add-service' && failure.errno !== 'EEXIST') uncreated.add(task.service)
}
