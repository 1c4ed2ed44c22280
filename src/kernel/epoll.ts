import { isMainThread } from 'node:worker_threads'
import { forgetDescriptor, noteDescriptor } from './descriptor-notes.ts'
import { calls, failure, LITTLE_ENDIAN, onReadable, type Polling, type RawSocket } from './libc.ts'

const EPOLL_CLOEXEC = 0x80000
const EPOLL_CTL_ADD = 1

/** Bits of `epoll_event.events` (`linux/eventpoll.h`). */
export const EPOLLIN = 0x1
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLET = 0x8000_0000

/** `struct epoll_event` has no gap on x86_64. */
const EVENT = process.arch === 'x64' ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 }
const MOST_EVENTS = 256

/** Milliseconds between two looks of a thread that is not the main one. */
const LOOK_EVERY = 1

/** Many sockets in one descriptor (epoll(7)), which one handle of the event loop looks at. A closed socket leaves it by itself. */
export class Epoll implements Disposable {
  readonly #fd: number
  readonly #note: number
  readonly #eventBytes = new Uint8Array(EVENT.bytes)
  readonly #event = new DataView(this.#eventBytes.buffer)
  readonly #eventsBytes = new Uint8Array(EVENT.bytes * MOST_EVENTS)
  readonly #events = new DataView(this.#eventsBytes.buffer)
  readonly #polling: Polling

  /** `listener` is called with the number of a socket and what happens on it. */
  constructor(listener: (number: number, events: number) => void) {
    this.#fd = calls().epoll_create1(EPOLL_CLOEXEC)
    if (this.#fd < 0) throw failure('epoll_create1')
    this.#note = noteDescriptor(this.#fd)
    this.#polling = isMainThread
      ? onReadable(this.#fd, () => this.#take(listener))
      : onTimer(() => {
          while (this.#take(listener) === MOST_EVENTS);
        })
  }

  /** Tells of a socket from now on, under a number. Throws SystemCallError. */
  add({ descriptor }: RawSocket, events: number, number: number): void {
    this.#event.setUint32(0, events, LITTLE_ENDIAN)
    this.#event.setUint32(EVENT.data, number, LITTLE_ENDIAN)
    if (calls().epoll_ctl(this.#fd, EPOLL_CTL_ADD, descriptor, this.#eventBytes) < 0) throw failure('epoll_ctl')
  }

  /** Keeps the process alive, or no longer. */
  hold(alive: boolean): void {
    this.#polling.hold(alive)
  }

  /** How much happened. */
  #take(listener: (number: number, events: number) => void): number {
    const count = calls().epoll_wait(this.#fd, this.#eventsBytes, MOST_EVENTS, 0)
    for (let at = 0; at < count * EVENT.bytes; at += EVENT.bytes)
      listener(this.#events.getUint32(at + EVENT.data, LITTLE_ENDIAN), this.#events.getUint32(at, LITTLE_ENDIAN))
    return count
  }

  [Symbol.dispose](): void {
    this.#polling[Symbol.dispose]()
    forgetDescriptor(this.#note)
    calls().close(this.#fd)
  }
}

/**
 * For threads that may be ended from outside: what onReadable puts into the event loop would be called while Node takes the thread down, which
 * aborts the process, and nobody can take it out before. Looks only while somebody holds it.
 */
function onTimer(look: () => void): Polling {
  let timer: NodeJS.Timeout | undefined
  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }
  return {
    hold: (alive) => {
      if (alive) timer ??= setInterval(look, LOOK_EVERY)
      else stop()
    },
    [Symbol.dispose]: stop,
  }
}
