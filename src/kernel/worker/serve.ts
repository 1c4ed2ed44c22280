import type { MessagePort } from 'node:worker_threads'
import { PointsmanError } from '../../errors.ts'
import type { AnswerMessage, ErrorMessage, JobMessage, WorkerMessage } from './jobs.ts'
import { KernelThread, type KernelThreadParts } from './kernel-thread.ts'

/** Answers the jobs that arrive at `port`, one after the other, for as long as the thread lives. */
export function serveKernel(port: MessagePort, parts: KernelThreadParts): void {
  const thread = new KernelThread(parts)
  port.on('message', ({ id, kind, ask }: JobMessage) => {
    let message: AnswerMessage
    try {
      const answer = thread.run(kind, ask)
      message = { id, family: thread.family, answer }
    } catch (error) {
      message = { id, error: errorMessage(error) }
    }
    port.postMessage(message, transferable(message))
  })
  port.postMessage({ ready: true } satisfies WorkerMessage)
}

/** Bytes change threads instead of being copied. */
function transferable(message: AnswerMessage): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = []
  if (!('answer' in message) || typeof message.answer !== 'object' || message.answer === null) return buffers
  for (const value of Object.values(message.answer)) {
    if (ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer) buffers.push(value.buffer)
  }
  return buffers
}

/** Errors lose their class on the way between threads: code, sentence and particulars travel. */
function errorMessage(error: unknown): ErrorMessage {
  if (error instanceof PointsmanError) return { code: error.code, message: error.message, detail: error.detail }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'INTERNAL', message: `The kernel worker failed: ${text}`, detail: {} }
}
