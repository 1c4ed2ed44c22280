/** What nginx writes of each request: a witness of when each backend was asked, the same for whoever asks. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { peerFolder } from '../../peers/place.ts'

/** Milliseconds in which nginx writes what it holds back, and some more. */
const WRITTEN = 1_500

export interface Requests {
  readonly requests: number
  /** Milliseconds between one request to a backend and the next. */
  readonly gaps: readonly number[]
}

export class RequestLog {
  readonly #file = join(peerFolder('requests').path, 'requests.log')

  /** For the http block. */
  readonly format = "log_format request '$msec $server_addr';"

  /** For the location whose requests are written. */
  get directive(): string {
    return `access_log ${this.#file} request buffer=64k flush=1s;`
  }

  /** Requests from one moment to another, milliseconds since the epoch. */
  async between(from: number, to: number): Promise<Requests> {
    await sleep(WRITTEN)
    return requestsBetween(readFileSync(this.#file, 'latin1'), from, to)
  }
}

/** `text`: a line for each request, its moment in seconds and the backend. */
export function requestsBetween(text: string, from: number, to: number): Requests {
  const last = new Map<string, number>()
  const gaps: number[] = []
  let requests = 0
  for (const line of text.split('\n')) {
    const [seconds, backend] = line.split(' ')
    const at = Math.round(Number(seconds) * 1000)
    if (backend === undefined || at < from || at > to) continue
    requests++
    const before = last.get(backend)
    if (before !== undefined) gaps.push(at - before)
    last.set(backend, at)
  }
  return { requests, gaps }
}
